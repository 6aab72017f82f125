//! All that is wrong with a Dockerfile is said at once, and nothing that only follows from it.

use super::super::Request;
use super::{request, said, said_with};

#[test]
fn each_part_of_an_instruction_that_is_wrong_is_said() {
    let text = "FROM scratch\nCOPY Cargo.tom src nowhere /x/\nENV A=1 B =c D=${\nARG ${ X\nEXPOSE ${ 80 ${:\nLABEL =a b";
    let said = said(text);
    let lines: Vec<_> = said.lines().map(|line| &line[..20]).collect();
    assert_eq!(
        lines,
        [
            "2: there is no `Cargo",
            "2: there is no `nowhe",
            "3: `B` must be `name=",
            "3: a name must stand ",
            "3: a name must follow",
            "4: \"${\" is not a name",
            "5: a name must follow",
            "5: a name must follow",
            "6: a name must stand ",
            "6: `b` must be `name=",
        ]
        .map(|line| &line[..20]),
        "{said}"
    );
}

#[test]
fn a_port_that_is_none_is_said_where_no_variable_gives_it() {
    let said = said(
        "FROM scratch\nARG PORT\nEXPOSE 80 8000-8010/udp $PORT ${PORT}/tcp abc 65536 90-80 53/icmp",
    );
    let ports: Vec<_> = said.lines().map(|line| line.split('`').nth(1)).collect();
    assert_eq!(
        ports,
        ["abc", "65536", "90-80", "53/icmp"].map(Some),
        "{said}"
    );
}

#[test]
fn what_stands_before_the_first_from_does_not_hide_what_follows_it() {
    assert_eq!(
        said("RUN make\nCOPY nowhere /x\nFROM scratch\nUSER"),
        "1: `RUN` stands before the first `FROM` help: only `ARG` may\n4: `USER` needs an argument"
    );
}

#[test]
fn an_argument_that_could_not_be_read_is_not_missed() {
    for (text, line) in [
        (
            "AGR TAG=1\nFROM debian:$TAG\nUSER",
            "1: `AGR` stands before the first `FROM`",
        ),
        (
            "ARG TAG=${\nFROM debian:$TAG\nUSER",
            "1: a name must follow the `${` in `${`",
        ),
        (
            "RUN true\nARG TAG=1\nFROM debian:$TAG\nUSER",
            "1: `RUN` stands before the first `FROM`",
        ),
    ] {
        let said = said(text);
        let lines: Vec<_> = said.lines().collect();
        assert!(lines[0].starts_with(line), "{said}");
        assert_eq!(
            lines[1].get(1..),
            Some(": `USER` needs an argument"),
            "{said}"
        );
        assert_eq!(lines.len(), 2, "{said}");
    }
}

#[test]
fn a_wrong_from_does_not_hide_what_follows_it() {
    let request = request(&[], Some("build"));
    let said = said_with(
        "FROM Debian AS build\nUSER\nFROM scratch\nCOPY --from=0 /a /b",
        &request,
    );
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].contains("write `debian`"), "{said}");
    assert_eq!(lines[1..], ["2: `USER` needs an argument"]);
}

#[test]
fn a_document_that_does_not_end_does_not_hide_what_stands_above_it() {
    let build_args = [("A".to_owned(), "1".to_owned())];
    let request = request(&build_args, Some("build"));
    // The argument and the stage may stand in what is the document now.
    assert_eq!(
        said_with("FROM scratch\nUSER\nRUN <<EOF\nx", &request),
        "2: `USER` needs an argument\n3: the here-document `EOF` does not end help: a line with `EOF` alone ends it"
    );
}

#[test]
fn what_a_wrong_keyword_was_to_say_is_not_missed() {
    let text = "ARG IMAGE\nFROM --platform=$ON $IMAGE\nCOPY nowhere /x\nRUN --mount=type=secret,id=A true\nUSER";
    let build_args = [("JOBS".to_owned(), "4".to_owned())];
    let whole = request(&build_args, None);
    let partial = Request {
        is_whole: false,
        ..request(&build_args, None)
    };
    assert_eq!(said_with(text, &whole).lines().count(), 5);
    assert_eq!(said_with(text, &partial), "5: `USER` needs an argument");
}
