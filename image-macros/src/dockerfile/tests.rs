//! What is read of a Dockerfile, and what is said of a wrong one.

mod together;

use std::path::Path;

use super::model::{CommandLine, Copy, Dockerfile, Kind, Mount, MountKind, Run, Source};
use super::words::{self, Otherwise, Piece, Variable};
use super::{Place, Problem, Request, commands, file};

fn request<'a>(build_args: &'a [(String, String)], target: Option<&'a str>) -> Request<'a> {
    Request {
        file: "Dockerfile",
        build_args,
        context: Path::new(env!("CARGO_MANIFEST_DIR")),
        target,
        has_secrets: false,
        is_whole: true,
    }
}

fn read(text: &str) -> Dockerfile {
    file(text, &request(&[], None)).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

/// What stands in the only stage after `FROM scratch`.
fn kinds(text: &str) -> Vec<Kind> {
    let mut stages = read(&format!("FROM scratch\n{text}")).stages;
    let instructions = stages.remove(0).instructions;
    instructions
        .into_iter()
        .map(|instruction| instruction.kind)
        .collect()
}

fn said(text: &str) -> String {
    said_with(text, &request(&[], None))
}

fn said_with(text: &str, request: &Request<'_>) -> String {
    let problems = file(text, request).expect_err(text);
    let lines = problems.into_iter().map(|Problem { place, fault }| {
        let place = match place {
            Place::Line(line) => line.to_string(),
            Place::BuildArg(index) => format!("build_args[{index}]"),
            Place::Target => "target".to_owned(),
        };
        fault.after(&format!("{place}: ")).text().replace('\n', " ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shell(line: &str) -> Kind {
    Kind::Run(
        Run::Command(CommandLine::Shell(line.to_owned())),
        Vec::new(),
    )
}

fn text(text: &str) -> words::Word {
    words::literal(text)
}

#[test]
fn lines_go_on_after_a_backslash_and_comments_between_count_for_nothing() {
    for (written, line) in [
        ("RUN a \\\n  b", "a   b"),
        ("run a && \\ \n# comment\n\n   # another\n b", "a &&  b"),
        ("RUN a \\\\\nRUN b", "a \\\\"),
        ("RUN a # no comment", "a # no comment"),
        ("RUN\ta\r\n", "a"),
        ("\u{feff}  RUN a \\", "a"),
    ] {
        let commands = commands(written, &request(&[], None)).unwrap();
        assert_eq!(
            commands.stages[0].instructions[0].kind,
            shell(line),
            "{written:?}"
        );
    }
    let escaped = "# escape=`\nFROM scratch\nRUN a `\n \\b\nENV X=`$Y\\z";
    let stage = &read(escaped).stages[0];
    assert_eq!(stage.instructions[0].kind, shell("a  \\b"));
    assert_eq!(
        stage.instructions[1].kind,
        Kind::Env(vec![("X".into(), text("$Y\\z"))])
    );
}

#[test]
fn here_documents_belong_to_the_line_that_names_them() {
    let all = kinds(
        "RUN <<EOF\none\n# two\nEOF\nRUN <<-'END'\n\t#!/bin/tool\n\tx\n\tEND\nRUN cat <<A > f && cat 3<<B\na\nA\nb\nB\nRUN echo a<<b",
    );
    assert_eq!(all[0], shell("one\n# two\n"));
    assert_eq!(
        all[1],
        Kind::Run(Run::Script("#!/bin/tool\nx\n".into()), Vec::new())
    );
    assert_eq!(all[2], shell("cat <<A > f && cat 3<<B\na\nA\nb\nB"));
    assert_eq!(all[3], shell("echo a<<b"));
    let [
        Kind::Copy(Copy {
            documents, sources, ..
        }),
    ] = &kinds("COPY <<one src <<\"two\" /to/\n$A \\$B\none\n$A\ntwo\n")[..]
    else {
        panic!()
    };
    assert_eq!(sources, &[text("src")]);
    assert_eq!(documents[0].1[1..], text(" $B\n"));
    assert_eq!(documents[1], ("two".into(), text("$A\n")));
    assert_eq!(
        said("FROM scratch\nRUN <<EOF\nx"),
        "2: the here-document `EOF` does not end help: a line with `EOF` alone ends it"
    );
}

#[test]
fn words_hold_quotes_escapes_and_variables() {
    let variable = |name: &str, otherwise, empty_is_unset| {
        Piece::Variable(Variable {
            name: name.into(),
            otherwise,
            empty_is_unset,
        })
    };
    let plain = |name| variable(name, Otherwise::Nothing, false);
    for (written, expected) in [
        (r#"a"b c"'d $e'\ f"#, text("ab cd $e f")),
        (r#""a\"\$b\n""#, text("a\"$b\\n")),
        ("''", vec![]),
        (
            "$a-$b_c$",
            vec![
                plain("a"),
                Piece::Text("-".into()),
                plain("b_c"),
                Piece::Text("$".into()),
            ],
        ),
        ("${a}b", vec![plain("a"), Piece::Text("b".into())]),
        (
            "${a:-}",
            vec![variable("a", Otherwise::Default(vec![]), true)],
        ),
        (
            "${a-x${b:+'}'}}",
            vec![variable(
                "a",
                Otherwise::Default(vec![
                    Piece::Text("x".into()),
                    variable("b", Otherwise::Alternative(text("}")), true),
                ]),
                false,
            )],
        ),
        (
            "${a:?no value}",
            vec![variable("a", Otherwise::Required(text("no value")), true)],
        ),
    ] {
        assert_eq!(words::word(written, '\\'), Ok(expected), "{written}");
    }
    for wrong in ["'a", "\"a", "${a", "${}", "${a:=b}", "${a#b}", "${a:-b"] {
        assert!(words::word(wrong, '\\').is_err(), "{wrong}");
    }
}

#[test]
fn environment_labels_and_arguments_come_in_two_forms() {
    let pair = |name: &str, value: &str| (name.to_owned(), text(value));
    assert_eq!(
        kinds("ENV a=b c=\"d e\" f='g\\'"),
        [Kind::Env(vec![
            pair("a", "b"),
            pair("c", "d e"),
            pair("f", "g\\")
        ])]
    );
    assert_eq!(kinds("ENV a b  c"), [Kind::Env(vec![pair("a", "b  c")])]);
    assert_eq!(
        kinds("LABEL \"a b\"=c"),
        [Kind::Label(vec![(text("a b"), text("c"))])]
    );
    assert_eq!(
        kinds("ARG a b=c"),
        [Kind::Arg(vec![
            ("a".into(), None),
            ("b".into(), Some(text("c")))
        ])]
    );
}

#[test]
fn stages_arguments_and_targets_are_resolved() {
    let dockerfile = "ARG V=1\nARG IMAGE=debian:$V\nFROM ${IMAGE} AS Base\nARG V\nARG OTHER=2\nFROM scratch AS none\nFROM base\nCOPY --from=BASE /a /b\nCOPY --from=busybox:1 /a /b\n";
    let args = [
        ("V".to_owned(), "12".to_owned()),
        ("OTHER".to_owned(), "3".to_owned()),
    ];
    let read = file(dockerfile, &request(&args, None)).unwrap();
    assert_eq!(read.stages[0].base, Source::Image("debian:12".into()));
    assert_eq!(
        read.stages[0].instructions[0].kind,
        Kind::Arg(vec![("V".into(), Some(text("12")))])
    );
    assert_eq!(
        read.stages[0].instructions[1].kind,
        Kind::Arg(vec![("OTHER".into(), Some(text("3")))])
    );
    assert_eq!(
        (&read.stages[1].base, &read.stages[2].base, read.target),
        (&Source::Nothing, &Source::Stage(0), 2)
    );
    let from = |index: usize| match &read.stages[2].instructions[index].kind {
        Kind::Copy(copy) => &copy.from,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (from(0), from(1)),
        (&Source::Stage(0), &Source::Image("busybox:1".into()))
    );
    for (target, index) in [("base", 0), ("NONE", 1), ("2", 2)] {
        assert_eq!(
            file(dockerfile, &request(&args, Some(target)))
                .unwrap()
                .target,
            index
        );
    }
    let wrong = said_with(dockerfile, &request(&args, Some("bas")));
    assert!(
        wrong.ends_with("target: `Dockerfile` has no stage `bas` help: did you mean `base`?"),
        "{wrong}"
    );
    let unused = [("W".to_owned(), String::new())];
    let wrong = said_with(dockerfile, &request(&unused, None));
    assert!(wrong.contains("no `ARG W`"), "{wrong}");
}

#[test]
fn all_that_is_wrong_of_a_request_is_said_where_it_stands() {
    let args = ["WHOO", "WHO", "V"].map(|name| (name.to_owned(), String::new()));
    let text = "FROM scratch AS build\nARG WHO\nCOPY Cargo.tom /";
    assert_eq!(
        said_with(text, &request(&args, Some("nope"))),
        "3: there is no `Cargo.tom` in the context directory help: did you mean `Cargo.toml`?\n\
         build_args[0]: `Dockerfile` has no `ARG WHOO` that takes this help: did you mean `WHO`?\n\
         build_args[2]: `Dockerfile` has no `ARG V` that takes this help: its arguments: `WHO`\n\
         target: `Dockerfile` has no stage `nope` help: its stages: `build`"
    );
    // What is wrong may be what was meant.
    let text = "FROM scratch AS build\nARGG WHOO\nFROM a b AS nope";
    let said = said_with(text, &request(&args[..1], Some("nope")));
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn everything_wrong_is_said_with_its_line() {
    for (written, expected) in [
        ("", "1: it has no `FROM`"),
        (
            "RUN x",
            "1: `RUN` stands before the first `FROM` help: only `ARG` may",
        ),
        (
            "FORM debian",
            "1: `FORM` stands before the first `FROM` help: did you mean `FROM`?",
        ),
        (
            "FROM scratch\nRUNN x\n\nCOPPY a b",
            "2: unknown instruction `RUNN` help: did you mean `RUN`?\n4: unknown instruction `COPPY`",
        ),
        ("FROM Debian", "names of images are lower case"),
        (
            "FROM $X",
            "`FROM` needs `X`, and that has no value help: write `ARG X=…` above the first `FROM`",
        ),
        (
            "ARG V\nFROM image:${V}",
            "`FROM` needs `V`, and that has no value help: write `build_args = { \"V\": \"…\" }`, or a default: `ARG V=…`",
        ),
        ("FROM image:${V:-}", "the tag \"\" must be"),
        (
            "FROM scratch\nCOPY ../etc/passwd /",
            "2: `../etc/passwd` is outside of the context directory",
        ),
        (
            "FROM scratch\nCOPY /src/../../passwd /",
            "is outside of the context directory",
        ),
        ("FROM a b", "`FROM` needs an image and nothing more"),
        ("FROM scratch AS 1x", "cannot be the name of a stage"),
        (
            "FROM --platform=linux/s390x scratch",
            "is not this machine's",
        ),
        (
            "FROM --platform=linux/s390x/v1 scratch",
            "`--platform=linux/s390x/v1` is not this machine's",
        ),
        ("FROM --platform=windows scratch", "is not this machine's"),
        ("FROM --platform=$NONE scratch", "`--platform` names none"),
        ("FROM --platform=a/b/c/d scratch", "is not a platform"),
        ("FROM scratch\nONBUILD RUN x", "2: `ONBUILD` is not kept"),
        (
            "FROM scratch\nCOPY a",
            "`COPY` needs at least one source and a target",
        ),
        (
            "FROM scratch\nCOPY Cargo.tom /",
            "there is no `Cargo.tom` in the context directory help: did you mean `Cargo.toml`?",
        ),
        (
            "FROM scratch\nCOPY --from=5 a /",
            "there is no stage 5 above",
        ),
        (
            "FROM scratch AS a\nCOPY --from=a a /",
            "a stage cannot take files from itself",
        ),
        (
            "FROM scratch\nCOPY --from=$x a /",
            "`--from` takes no variables",
        ),
        (
            "FROM scratch\nCOPY --chmod=u+x src /",
            "must be octal digits",
        ),
        (
            "FROM scratch\nCOPY --parents src /",
            "`COPY` has no flag `--parents` here",
        ),
        (
            "FROM scratch\nADD https://example.org/x.git#v1 /",
            "`ADD` does not clone a repository",
        ),
        (
            "FROM scratch\nADD git@example.org:x /",
            "`ADD` does not clone a repository",
        ),
        (
            "FROM scratch\nADD ftp://example.org/x /",
            "`ADD` fetches `http` and `https`, and nothing else",
        ),
        (
            "FROM scratch\nADD --checksum=md5:00 https://example.org/x /",
            "must be `sha256:` and 64 hexadecimal digits",
        ),
        (
            "FROM scratch\nCOPY --checksum=sha256:00 src /",
            "`COPY` has no flag `--checksum` here",
        ),
        (
            "FROM scratch\nCOPY https://example.org/x /",
            "`COPY` takes no address",
        ),
        (
            "FROM scratch\nRUN --mount=type=ssh y",
            "`RUN --mount=type=ssh` lends no agent here",
        ),
        (
            "FROM scratch\nRUN --mount=type=cach,target=/x y",
            "`RUN --mount` has no type `cach` help: did you mean `cache`?",
        ),
        (
            "FROM scratch\nRUN --mount=type=cache y",
            "a mount of type `cache` needs a `target`",
        ),
        (
            "FROM scratch\nRUN --mount=type=cache,target=/x,uid=1 y",
            "a mount of type `cache` has no `uid` here",
        ),
        (
            "FROM scratch\nRUN --mount=type=cache,target=/x,sharing=all y",
            "`sharing` is `shared`, `locked` or `private`",
        ),
        (
            "FROM scratch AS a\nRUN --mount=from=a,target=/x y",
            "a stage cannot take files from itself",
        ),
        (
            "FROM scratch\nRUN --mount=source=Cargo.tom,target=/x y",
            "there is no `Cargo.tom` in the context directory",
        ),
        (
            "FROM scratch\nRUN --mount=type=secret,id=TOKEN y",
            "nothing gives the secret `TOKEN`",
        ),
        ("FROM scratch\nRUN", "`RUN` needs a command"),
        ("FROM scratch\nRUN [\"a\", 1]", "must hold strings only"),
        ("FROM scratch\nENV a", "`ENV a` has no value"),
        ("FROM scratch\nENV a=b c", "`c` must be `name=value`"),
        ("FROM scratch\nENV a=\"b", "a `\"` is not closed"),
        ("FROM scratch\nSHELL bash", "needs a JSON array"),
        ("FROM scratch\nHEALTHCHECK x", "needs `NONE`, or `CMD`"),
        (
            "FROM scratch\nHEALTHCHECK --interval=1 CMD x",
            "\"1\" is not a duration",
        ),
        ("# escape=x\nFROM scratch", "1: `escape` must be"),
    ] {
        let said = said(written);
        assert!(said.contains(expected), "{written:?}: {said}");
    }
    assert!(commands("RUN a\nFROM b", &request(&[], None)).is_err());
}

#[test]
fn every_way_to_write_this_machines_platform_is_taken() {
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let own = std::env::consts::ARCH;
    for platform in [
        "$BUILDPLATFORM",
        "${TARGETPLATFORM}",
        "linux",
        "Linux/$TARGETARCH",
        here,
        own,
        &format!("linux/{own}"),
    ] {
        let text = format!("FROM --platform={platform} scratch");
        assert_eq!(read(&text).stages.len(), 1, "{text}");
    }
}

#[test]
fn mounts_of_run_are_read_with_what_is_not_written() {
    let mounts = |flags: &str| {
        let text = format!("RUN {flags} make");
        match kinds(&text).remove(0) {
            Kind::Run(run, mounts) => {
                assert_eq!(Kind::Run(run, Vec::new()), shell("make"), "{text}");
                mounts
            }
            other => panic!("{other:?}"),
        }
    };
    let mount = |kind, target, name, env: &str, is_set| Mount {
        kind,
        target: text(target),
        name: text(name),
        env: env.to_owned(),
        is_set,
    };
    assert_eq!(
        mounts("--mount=type=cache,target=/c --mount=type=cache,dst=/d,id=x,sharing=locked"),
        [
            mount(MountKind::Cache, "/c", "/c", "", false),
            mount(MountKind::Cache, "/d", "x", "", true),
        ]
    );
    assert_eq!(
        mounts("--mount=target=/src --mount=type=bind,src=src,target=/s,rw"),
        [
            mount(MountKind::Bind(Source::Context), "/src", ".", "", false),
            mount(MountKind::Bind(Source::Context), "/s", "src", "", true),
        ]
    );
    let image = || MountKind::Bind(Source::Image("alpine:3".to_owned()));
    assert_eq!(
        mounts("--mount=from=alpine:3,target=/x,rw --mount=from=alpine:3,src=bin,target=/y"),
        [
            mount(image(), "/x", "/", "", true),
            mount(image(), "/y", "bin", "", false),
        ]
    );
    assert_eq!(
        mounts(
            "--mount=type=secret,id=A,required=false --mount=type=secret,id=A,env=B,required=false"
        ),
        [
            mount(MountKind::Secret, "/run/secrets/A", "A", "", false),
            Mount {
                target: Vec::new(),
                ..mount(MountKind::Secret, "", "A", "B", false)
            },
        ]
    );
}

#[test]
fn addresses_are_added_with_their_checksum() {
    let sum = format!("sha256:{}", "0".repeat(64));
    let added = kinds(&format!("ADD --checksum={sum} https://h/x.tar.gz /x/"));
    let [Kind::Copy(copy)] = &added[..] else {
        panic!("{added:?}")
    };
    assert_eq!(copy.sources, [text("https://h/x.tar.gz")]);
    assert_eq!(copy.checksum, Some(text(&sum)));
}
