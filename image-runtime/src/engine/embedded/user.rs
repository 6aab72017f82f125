//! Who a process is: the user of an image's configuration, looked up in the image's own files.

use std::io;

use super::form::Form;

/// The numbers of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The home directory, where the image knows it.
    pub home: Option<String>,
}

impl Identity {
    /// Who `user` is: `name`, `uid`, `name:group`, `uid:gid`; nobody named is root. `passwd` and `group` are the image's
    /// files; numbers need not be in them.
    ///
    /// # Errors
    /// A name that the image does not know.
    pub(super) fn of(user: &str, passwd: &str, group: &str) -> io::Result<Self> {
        let (user, wanted_group) = match user.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (user, None),
        };
        let user = if user.is_empty() { "0" } else { user };
        let known = rows(passwd).find_map(|row| {
            let [name, _, uid, gid, _, home, ..] = row[..] else {
                return None;
            };
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            (name == user || user.parse() == Ok(uid)).then(|| (name, uid, gid, home.to_owned()))
        });
        let mut identity = match (&known, user.parse()) {
            (Some((_, uid, gid, home)), _) => Self {
                uid: *uid,
                gid: *gid,
                home: Some(home.clone()),
                ..Self::default()
            },
            (None, Ok(uid)) => Self {
                uid,
                ..Self::default()
            },
            (None, Err(_)) => return Err(unknown("user", user, "/etc/passwd")),
        };
        match (wanted_group, known) {
            (Some(wanted), _) => {
                let found = rows(group).find_map(|row| {
                    let [name, _, gid, ..] = row[..] else {
                        return None;
                    };
                    (name == wanted).then(|| gid.parse().ok())?
                });
                identity.gid = found
                    .or_else(|| wanted.parse().ok())
                    .ok_or_else(|| unknown("group", wanted, "/etc/group"))?;
            }
            (None, Some((name, ..))) => {
                identity.groups = rows(group)
                    .filter_map(|row| {
                        let [_, _, gid, members, ..] = row[..] else {
                            return None;
                        };
                        let is_member = members.split(',').any(|member| member == name);
                        is_member.then(|| gid.parse().ok())?
                    })
                    .collect();
            }
            (None, None) => {}
        }
        Ok(identity)
    }

    /// The same where only root may be had.
    ///
    /// # Errors
    /// It is not root.
    pub(super) fn within(self, form: Form) -> io::Result<Self> {
        match form {
            Form::Root | Form::Range => Ok(self),
            Form::User if (self.uid, self.gid) == (0, 0) => Ok(Self {
                groups: Vec::new(),
                ..self
            }),
            Form::User => Err(io::Error::other(format!(
                "user {}:{} does not exist: this program runs as an ordinary user, whose containers have no user but root here\n  \
                 help: run it as root, use `IMAGE_ENGINE=docker`, or see `doctor` for how this user gets more of them",
                self.uid, self.gid
            ))),
        }
    }
}

fn rows(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines().map(|line| line.split(':').collect())
}

fn unknown(what: &str, name: &str, file: &str) -> io::Error {
    io::Error::other(format!("the image has no {what} `{name}` in `{file}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:,,,:/home/ann:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:\naudio:x:29:bob,ann\nann:x:1001:\nvideo:x:44:ann\nbroken:x\n";

    fn numbers(user: &str) -> (u32, u32, Vec<u32>) {
        let identity = Identity::of(user, PASSWD, GROUP).unwrap();
        (identity.uid, identity.gid, identity.groups)
    }

    #[test]
    fn users_and_groups_are_known_by_name_and_by_number() {
        assert_eq!(numbers(""), (0, 0, vec![]));
        assert_eq!(numbers("ann"), (1000, 1001, vec![29, 44]));
        assert_eq!(numbers("1000"), (1000, 1001, vec![29, 44]));
        assert_eq!(numbers("ann:audio"), (1000, 29, vec![]));
        assert_eq!(numbers("12:34"), (12, 34, vec![]));
        assert_eq!(numbers("12"), (12, 0, vec![]));
    }

    #[test]
    fn a_home_is_known_where_the_user_is() {
        let home = |user| Identity::of(user, PASSWD, GROUP).unwrap().home;
        assert_eq!(home("ann").as_deref(), Some("/home/ann"));
        assert_eq!(home("0").as_deref(), Some("/root"));
        assert_eq!(home("12"), None);
    }

    #[test]
    fn an_ordinary_user_has_root_only() {
        let within = |user, form| Identity::of(user, PASSWD, GROUP).unwrap().within(form);
        assert_eq!(within("ann", Form::Root).unwrap().uid, 1000);
        assert_eq!(within("root", Form::User).unwrap().uid, 0);
        for user in ["ann", "0:audio"] {
            let error = within(user, Form::User).unwrap_err().to_string();
            assert!(error.contains("help: run it as root"), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_it_and_the_file() {
        let error = |user| Identity::of(user, PASSWD, GROUP).unwrap_err().to_string();
        assert!(error("eve").contains("no user `eve` in `/etc/passwd`"));
        assert!(error("ann:eves").contains("no group `eves` in `/etc/group`"));
        assert!(Identity::of("ann", "", "").is_err());
    }
}
