//! Whom files belong to, by the names or numbers of `--chown` and `USER`.

/// The numbers of an owner that is given in numbers: `1000`, `1000:50`.
pub(super) fn numbers(owner: &str) -> Option<(u32, u32)> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, owner));
    Some((user.parse().ok()?, group.parse().ok()?))
}

/// The numbers of an owner by the image's files. A user without a group has that of its line; a number that is nowhere, itself.
pub(super) fn look_up(owner: &str, passwd: &str, group: &str) -> Result<(u32, u32), String> {
    let (user, wanted_group) = match owner.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (owner, None),
    };
    let row = row(passwd, user);
    let number = |row: &[&str], column: usize| row.get(column)?.parse::<u32>().ok();
    let uid = match (user, &row) {
        ("", _) => 0,
        (_, Some(row)) => number(row, 2).ok_or_else(|| unknown("user", user, "/etc/passwd"))?,
        _ => user
            .parse()
            .map_err(|_| unknown("user", user, "/etc/passwd"))?,
    };
    let gid = match (wanted_group, row) {
        (Some(wanted), _) => match (self::row(group, wanted), wanted.parse()) {
            (Some(row), _) => {
                number(&row, 2).ok_or_else(|| unknown("group", wanted, "/etc/group"))?
            }
            (None, Ok(number)) => number,
            (None, Err(_)) => return Err(unknown("group", wanted, "/etc/group")),
        },
        (None, Some(row)) => number(&row, 3).unwrap_or(uid),
        (None, None) => uid,
    };
    Ok((uid, gid))
}

fn row<'a>(file: &'a str, name: &str) -> Option<Vec<&'a str>> {
    file.lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|row| row[0] == name)
}

fn unknown(what: &str, name: &str, file: &str) -> String {
    format!("the image has no {what} `{name}` in `{file}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_names_and_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n";
        let group = "root:x:0:\naudio:x:29:ann\n";
        for (owner, expected) in [
            ("ann", Ok((1000, 1001))),
            ("ann:audio", Ok((1000, 29))),
            ("ann:7", Ok((1000, 7))),
            ("5:audio", Ok((5, 29))),
            ("12", Ok((12, 12))),
            (
                "bob",
                Err("the image has no user `bob` in `/etc/passwd`".to_owned()),
            ),
            (
                "ann:bob",
                Err("the image has no group `bob` in `/etc/group`".to_owned()),
            ),
        ] {
            assert_eq!(look_up(owner, passwd, group), expected, "{owner}");
        }
        assert_eq!(numbers("12"), Some((12, 12)));
        assert_eq!(numbers("12:3"), Some((12, 3)));
        assert_eq!((numbers("ann"), numbers("")), (None, None));
    }
}
