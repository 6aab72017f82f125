//! The cases that moby documents and tests, and those of `.dockerignore`'s own documentation.

use super::*;

fn ignore(patterns: &[&str]) -> Result<Ignore, PatternError> {
    let mut ignore = Ignore::default();
    for pattern in patterns {
        ignore.add(pattern)?;
    }
    Ok(ignore)
}

/// Judges as a walk does: directory by directory.
fn ignored(ignore: &Ignore, path: &str) -> bool {
    let mut verdict = Verdict::default();
    for (end, _) in path.match_indices('/') {
        verdict = ignore.judge(&path[..end], &verdict);
    }
    ignore.judge(path, &verdict).ignored
}

#[test]
fn patterns_match_as_moby_says() {
    for (pattern, path, matches) in [
        ("**", "file", true),
        ("**", "file/", true),
        ("**/", "file", true),
        ("**/", "file/", true),
        ("**", "dir/file", true),
        ("**/", "dir/file", true),
        ("**/**", "dir/file", true),
        ("dir/**", "dir/file", true),
        ("dir/**", "dir/file/", true),
        ("dir/**", "dir/dir2/file", true),
        ("dir/**", "dir/dir2/file/", true),
        ("**/dir", "dir", true),
        ("**/dir", "dir/file", true),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/*", "dir/dir2/file/", true),
        ("**/dir2/**", "dir/dir2/dir3/file", true),
        ("**/dir2/**", "dir/dir2/dir3/file/", true),
        ("**file", "file", true),
        ("**file", "dir/file", true),
        ("**file", "dir/dir/file", true),
        ("**file", "dir/xfile", true),
        ("**file*", "dir/xfile", false),
        ("**/file", "dir/file", true),
        ("**/file", "dir/dir/file", true),
        ("**/file*", "dir/dir/file", true),
        ("**/file*", "dir/dir/file.txt", true),
        ("**/file*txt", "dir/dir/file.txt", true),
        ("**/file*.txt", "dir/dir/file.txt", true),
        ("**/file*.txt*", "dir/dir/file.txt", true),
        ("**/**/*.txt", "dir/dir/file.txt", true),
        ("**/**/*.txt2", "dir/dir/file.txt", false),
        ("**/*.txt", "file.txt", true),
        ("**/**/*.txt", "file.txt", true),
        ("a**/*.txt", "a/file.txt", true),
        ("a**/*.txt", "a/dir/file.txt", true),
        ("a**/*.txt", "a/dir/dir/file.txt", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a/*.txt", "a/file.txt", true),
        ("a/*.txt**", "a/file.txt", true),
        ("a[b-d]e", "ae", false),
        ("a[b-d]e", "ace", true),
        ("a[b-d]e", "aae", false),
        ("a[^b-d]e", "aze", true),
        (".*", ".foo", true),
        (".*", "foo", false),
        ("abc.def", "abcdef", false),
        ("abc.def", "abc.def", true),
        ("abc.def", "abcZdef", false),
        ("abc?def", "abcZdef", true),
        ("abc?def", "abcdef", false),
        ("a\\\\", "a\\", true),
        ("a\\*b", "a*b", true),
        ("a\\*b", "ab", false),
        ("**/foo/bar", "foo/bar", true),
        ("**/foo/bar", "dir/foo/bar", true),
        ("**/foo/bar", "dir/dir2/foo/bar", true),
        ("abc/**", "abc", false),
        ("abc/**", "abc/def", true),
        ("abc/**", "abc/def/ghi", true),
        ("**/.foo", ".foo", true),
        ("**/.foo", "bar.foo", false),
        ("a(b)c/def", "a(b)c/def", true),
        ("a(b)c/def", "a(b)c/xyz", false),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        (
            "dist/*.whl",
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            true,
        ),
        // Go's own cases for file patterns.
        ("*", "abc", true),
        ("*c", "abc", true),
        ("a*", "a", true),
        ("a*", "ab/c", true),
        ("a*/b", "abc/b", true),
        ("a*/b", "a/c/b", false),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("a*b?c*x", "abxbbxdbxebxczzy", false),
        ("ab[c]", "abc", true),
        ("ab[e-g]", "abc", false),
        ("ab[^c]", "abc", false),
        ("ab[^e-g]", "abc", true),
        ("a?b", "a☺b", true),
        ("a[^a]b", "a☺b", true),
        ("a???b", "a☺b", false),
        ("[a-ζ]*", "α", true),
        ("*[a-ζ]", "A", false),
        ("a?b", "a/b", false),
        ("a*b", "a/b", false),
        ("[\\]a]", "]", true),
        ("[\\-]", "-", true),
        ("[x\\-]", "-", true),
        ("[x\\-]", "z", false),
        ("[\\-x]", "x", true),
        ("*x", "xxx", true),
    ] {
        let ignore = ignore(&[pattern]).unwrap();
        assert_eq!(ignored(&ignore, path), matches, "`{pattern}` on `{path}`");
    }
}

#[test]
fn the_last_pattern_that_matches_decides() {
    for (patterns, path, expected) in [
        (&["!fileutils.go", "*.go"][..], "fileutils.go", true),
        (&["*.go", "!fileutils.go"], "fileutils.go", false),
        (&["docs", "!docs/README.md"], "docs/README.md", false),
        (&["docs/", "!docs/README.md"], "docs/README.md", false),
        (&["docs/*", "!docs/README.md"], "docs/README.md", false),
        (&["**", "!util/docker/web"], "util/docker/web/foo", false),
        (
            &["**", "!util/docker/web", "util/docker/web/foo"],
            "util/docker/web/foo",
            true,
        ),
        (
            &["**", "!dist/*.whl"],
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            false,
        ),
        // From the documentation of `.dockerignore`.
        (&["*.md", "!README.md"], "README.md", false),
        (&["*.md", "!README.md"], "CHANGES.md", true),
        (
            &["*.md", "!README*.md", "README-secret.md"],
            "README-secret.md",
            true,
        ),
        (
            &["*.md", "README-secret.md", "!README*.md"],
            "README-secret.md",
            false,
        ),
        (&["*/temp*"], "somedir/temporary.txt", true),
        (&["*/temp*"], "temporary.txt", false),
        (&["*/*/temp*"], "somedir/subdir/temporary.txt", true),
        (&["temp?"], "tempa", true),
        (&["temp?"], "somedir/tempa", false),
        (&["**/*.go"], "a.go", true),
        (&["**/*.go"], "a/b/c.go", true),
        (&["*", "!src", "src/secret"], "src/secret/key", true),
        (&["*", "!src", "src/secret"], "src/main.rs", false),
    ] {
        assert_eq!(
            ignored(&ignore(patterns).unwrap(), path),
            expected,
            "{patterns:?} on `{path}`"
        );
    }
}

#[test]
fn slashes_dots_and_spaces_around_a_pattern_do_not_count() {
    for pattern in [
        "/a/b",
        "a/b/",
        "./a/b",
        "  a/b\t",
        "a//b",
        "a/x/../b",
        "/../a/b",
        "x/../../../a/b",
    ] {
        let matches = pattern != "x/../../../a/b";
        assert_eq!(
            ignored(&ignore(&[pattern]).unwrap(), "a/b"),
            matches,
            "`{pattern}`"
        );
        assert!(
            !ignored(&ignore(&[pattern]).unwrap(), "c/a/b"),
            "`{pattern}` starts at the root"
        );
    }
    assert!(!ignored(&ignore(&["*", "! /a"]).unwrap(), "a"));
}

/// The macros refuse the same while compiling: `image-macros/src/text/ignore.rs` has this list, too.
#[test]
fn malformed_patterns_are_refused() {
    for pattern in [
        "!",
        "! ",
        "[",
        "[^",
        "[^bc",
        "a[",
        "[]a]",
        "[-]",
        "[x-]",
        "[-x]",
        "[a-b-c]",
        "\\",
        "a\\/",
        "[Local-Only]",
    ] {
        let error = ignore(&[pattern]).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(&format!("`{}`", pattern.trim())), "{error}");
    }
}

#[test]
fn a_file_has_comments_empty_lines_and_a_byte_order_mark() {
    let mut ignore = Ignore::default();
    ignore.add_file("\u{feff}test1\r\n/test2\n/a/file/here\n\nlastfile\n# a comment\n #no comment\n! /a/file/here/kept\n").unwrap();
    for (path, expected) in [
        ("test1", true),
        ("test2", true),
        ("a/file/here", true),
        ("a/file/here/kept", false),
        ("lastfile", true),
        ("# a comment", false),
        ("#no comment", true),
        (".dockerignore", false),
    ] {
        assert_eq!(ignored(&ignore, path), expected, "`{path}`");
    }
    assert_eq!(ignore.add_file("a\n\n[").unwrap_err().0, 3);
}

#[test]
fn a_directory_is_only_entered_where_an_exception_may_lie() {
    let ignore = ignore(&["**", "!src/lib/*.rs", "!docs"]).unwrap();
    for (directory, expected) in [
        ("src", true),
        ("src/lib", true),
        ("src/bin", false),
        ("node_modules", false),
        ("docs", true),
        ("doc", false),
    ] {
        assert_eq!(
            ignore.may_hold_exception(directory),
            expected,
            "`{directory}`"
        );
    }
    assert!(
        super::tests::ignore(&["a", "!**/*.md"])
            .unwrap()
            .may_hold_exception("a")
    );
}
