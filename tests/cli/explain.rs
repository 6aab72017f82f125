//! `build --explain`: why a layer is built or reused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Changing, changing, engine, remove_with_those_above, tidy};

#[test]
fn an_explanation_names_the_file_that_changed_and_is_given_before_the_build() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    files.build(&["COPIED"]);
    let same = changing(&["build", "COPIED", "--explain"]).run().good();
    insta::assert_snapshot!(tidy(&same.stderr), @r"
    COPIED
      reused  scratch
      reused  copy_local_file(cli/data/first.txt → /first)
      reused  copy_local_dir(cli/data/changing → /changing)
      reused  copy_local_file(cli/data/last.txt → /last)
    IMAGE   LAYER         BASE     BUILT
    COPIED  [identity..]  scratch  nothing to do
    ");
    files.write_new();
    let again = changing(&["build", "COPIED", "--explain"]).run().good();
    insta::assert_snapshot!(tidy(&again.stderr), @r"
    COPIED
      reused  scratch
      reused  copy_local_file(cli/data/first.txt → /first)
      built   copy_local_dir(cli/data/changing → /changing): changed `generated`
      built   copy_local_file(cli/data/last.txt → /last): a layer below it is built
    [COPIED 1/2] copy_local_dir(cli/data/changing → /changing) …
    [COPIED 1/2] copy_local_dir(cli/data/changing → /changing) [time]
    [COPIED 2/2] copy_local_file(cli/data/last.txt → /last) …
    [COPIED 2/2] copy_local_file(cli/data/last.txt → /last) [time]
    built 2 layers in [time]
    IMAGE   LAYER         BASE     BUILT
    COPIED  [identity..]  scratch  2 layers built
    ");
    files.build(&["COPIED"]);
}

#[test]
fn an_explanation_tells_of_stages_that_are_copied_from_and_of_modes() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    files.build(&["STAGED"]);
    let explained = || {
        let ended = changing(&["build", "STAGED", "--explain"]).run().good();
        let text = tidy(&ended.stderr);
        let lines = text.lines().take_while(|line| !line.starts_with('['));
        lines.take(5).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(explained(), @r"
    STAGED
      reused  [stage 0] scratch
      reused  [stage 0] COPY . /all/
      reused  scratch
      reused  COPY --from=made /all /all
    ");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(files.path(), mode).unwrap();
    insta::assert_snapshot!(explained(), @r"
    STAGED
      reused  [stage 0] scratch
      built   [stage 0] COPY . /all/: mode changed of `generated`
      reused  scratch
      built   COPY --from=made /all /all: what `COPY` takes from elsewhere changed
    ");
    files.write_new();
    fs::set_permissions(files.path(), fs::Permissions::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(explained(), @r"
    STAGED
      reused  [stage 0] scratch
      built   [stage 0] COPY . /all/: changed `generated`
      reused  scratch
      built   COPY --from=made /all /all: what `COPY` takes from elsewhere changed
    ");
    files.build(&["STAGED"]);
}

#[test]
fn an_explanation_in_json_names_forced_and_removed_layers() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    files.build(&["FORCED"]);
    let reasons = |arguments: &[&str]| -> Vec<String> {
        let arguments = [&["build", "--json", "--explain"], arguments].concat();
        let json = changing(&arguments).run().good().json();
        let layers = json["explained"][0]["layers"].as_array().unwrap().clone();
        let reasons = layers
            .iter()
            .map(|layer| layer["reason"].as_str().unwrap().to_owned());
        reasons.collect()
    };
    let reused = ["reused"; 4].as_slice();
    assert_eq!(
        reasons(&["FORCED"]),
        [reused, &["forced", "below"]].concat()
    );
    let top = files.build(&["COPIED"])[0]["layer"].clone();
    remove_with_those_above(top.as_str().unwrap());
    assert_eq!(reasons(&["COPIED"]), [&reused[..3], &["removed"]].concat());
    assert_eq!(reasons(&["COPIED", "--no-cache"]), ["forced"; 4]);
}
