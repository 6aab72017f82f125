//! Who has which GPU: a lock for each in the store, held for as long as a container has it, by the process that started it. So it ends with
//! that process, however it ends.
//!
//! Whole GPUs are locked exclusively, shared ones are not. Whoever waits holds a lock of its own, by which those that keep idle containers
//! see that they had better let go.

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::choice::{count, matching};
use super::{Gpu, Held, Inventory};
use crate::spec;

/// How long a free GPU may not be noticed.
const PAUSE: Duration = Duration::from_millis(100);

/// The file that those lock who wait.
const WAITING: &str = "waiting";

/// The file that is locked while one process chooses, so that two that want several GPUs never have half of them each.
const CHOOSING: &str = "choosing";

/// The claims of all processes that use a store.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    folder: PathBuf,
}

/// GPUs that somebody has, until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) gpus: Vec<Gpu>,
    is_whole: bool,
    _locks: Vec<File>,
}

impl Claim {
    /// What others cannot have meanwhile.
    pub(crate) fn held(&self) -> Held {
        Held {
            gpus: self.gpus.iter().map(|gpu| gpu.index).collect(),
            is_whole: self.is_whole,
        }
    }
}

impl Claims {
    /// Those in a folder, whose files stay.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Takes GPUs as soon as the first of the alternatives can be had that can be had at all. `waiting` is called once if that is not at once;
    /// nothing is taken any more once `unwanted` says so.
    ///
    /// # Errors
    /// The locks cannot be made.
    pub(crate) async fn claim(
        &self,
        wanted: &[spec::Gpu],
        inventory: &Inventory,
        waiting: impl FnOnce(),
        mut unwanted: impl FnMut() -> bool,
    ) -> io::Result<Option<Claim>> {
        let mut waiting = Some(waiting);
        let mut sign = None;
        loop {
            if let Some(claim) = self.try_claim(wanted, inventory)? {
                return Ok(Some(claim));
            }
            if unwanted() {
                return Ok(None);
            }
            if sign.is_none() {
                let file = self.file(WAITING)?;
                // Where somebody just looks whether anybody waits, it is taken the next time.
                sign = file.try_lock_shared().is_ok().then_some(file);
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether somebody waits for a GPU.
    pub(crate) fn are_wanted(&self) -> bool {
        let Ok(choosing) = self.file(CHOOSING) else {
            return false;
        };
        // One after the other, so that nobody who looks is taken for one who waits.
        choosing.lock().is_ok()
            && self
                .file(WAITING)
                .is_ok_and(|waiting| matches!(waiting.try_lock(), Err(TryLockError::WouldBlock)))
    }

    fn try_claim(&self, wanted: &[spec::Gpu], inventory: &Inventory) -> io::Result<Option<Claim>> {
        let choosing = self.file(CHOOSING)?;
        // Nobody holds it for longer than this function takes.
        choosing.lock()?;
        for alternative in wanted {
            let gpus = matching(alternative, &inventory.gpus);
            let (gpus, locks): (Vec<_>, Vec<_>) = match alternative.count {
                Some(_) => self
                    .free(gpus)?
                    .into_iter()
                    .take(count(alternative))
                    .unzip(),
                None => self.shared(gpus)?.into_iter().unzip(),
            };
            if gpus.len() == count(alternative) {
                return Ok(Some(Claim {
                    gpus,
                    is_whole: alternative.count.is_some(),
                    _locks: locks,
                }));
            }
        }
        Ok(None)
    }

    /// Those that nobody has, locked.
    fn free<'a>(&self, gpus: impl Iterator<Item = &'a Gpu>) -> io::Result<Vec<(Gpu, File)>> {
        let mut free = Vec::new();
        for gpu in gpus {
            let file = self.file(&gpu.uuid)?;
            match file.try_lock() {
                Ok(()) => free.push((gpu.clone(), file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(free)
    }

    /// One that nobody has, else one that others share, locked for sharing.
    fn shared<'a>(
        &self,
        gpus: impl Iterator<Item = &'a Gpu> + Clone,
    ) -> io::Result<Option<(Gpu, File)>> {
        if let Some((gpu, file)) = self.free(gpus.clone())?.into_iter().next() {
            // Nobody can come between: all choose one after the other.
            file.lock_shared()?;
            return Ok(Some((gpu, file)));
        }
        for gpu in gpus {
            let file = self.file(&gpu.uuid)?;
            match file.try_lock_shared() {
                Ok(()) => return Ok(Some((gpu.clone(), file))),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    fn file(&self, name: &str) -> io::Result<File> {
        let options = || {
            File::options()
                .create(true)
                .append(true)
                .open(self.folder.join(name))
        };
        options().map_err(|error| {
            let path = self.folder.join(name);
            io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::choice::tests::{asked, machine};
    use super::*;

    fn claims() -> (tempfile::TempDir, Claims) {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::new(folder.path().to_owned());
        (folder, claims)
    }

    fn two() -> Inventory {
        machine(&[("NVIDIA A100-SXM4-80GB", 81_920), ("Tesla T4", 15_360)])
    }

    fn indices(claim: &Claim) -> Vec<u32> {
        claim.gpus.iter().map(|gpu| gpu.index).collect()
    }

    #[test]
    fn the_first_alternative_that_can_be_had_is_taken() {
        let (_folder, claims) = claims();
        let a100 = asked("A100:1", Some("A100"), None, Some(1));
        let any = asked("any:1", None, None, Some(1));
        let take = || claims.try_claim(&[a100, any], &two()).unwrap();
        let first = take().unwrap();
        assert_eq!(indices(&first), [0]);
        let second = take().unwrap();
        assert_eq!(indices(&second), [1]);
        assert!(take().is_none(), "nobody gets one that another has");
        drop(first);
        assert_eq!(indices(&take().unwrap()), [0]);
    }

    #[test]
    fn whole_gpus_are_shared_with_nobody_and_others_are() {
        let (_folder, claims) = claims();
        let shared = [asked("any", None, None, None)];
        let whole = |count| [asked("any", None, None, Some(count))];
        let take = |wanted: &[spec::Gpu]| claims.try_claim(wanted, &two()).unwrap();
        let one = take(&shared).unwrap();
        // The second goes where nobody is yet, the third has to share.
        let other = take(&shared).unwrap();
        let third = take(&shared).unwrap();
        assert_eq!([indices(&one), indices(&other)], [[0], [1]]);
        assert!(take(&whole(1)).is_none());
        drop((other, third));
        let mine = take(&whole(1)).unwrap();
        assert_eq!(indices(&mine), [1]);
        assert_eq!(indices(&take(&shared).unwrap()), [0]);
        assert!(take(&whole(2)).is_none());
        drop((one, mine));
        assert_eq!(indices(&take(&whole(2)).unwrap()), [0, 1]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_that_find_none_queue_and_never_two_have_one() {
        let (_folder, claims) = claims();
        static HAVE: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let users: Vec<_> = (0..12)
            .map(|number| {
                let claims = claims.clone();
                tokio::spawn(async move {
                    let wanted = [asked("any", None, None, Some(1 + number % 2))];
                    let machine = two();
                    let claim = claims.claim(&wanted, &machine, || {}, || false);
                    let claim = claim.await.unwrap().unwrap();
                    for gpu in &claim.gpus {
                        assert_eq!(HAVE[gpu.index as usize].fetch_add(1, Ordering::SeqCst), 0);
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    for gpu in &claim.gpus {
                        HAVE[gpu.index as usize].fetch_sub(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for user in users {
            user.await.unwrap();
        }
    }

    #[tokio::test]
    async fn those_that_keep_gpus_see_that_others_wait() {
        let (_folder, claims) = claims();
        let wanted = [asked("any:2", None, None, Some(2))];
        let held = claims.try_claim(&wanted, &two()).unwrap().unwrap();
        assert!(!claims.are_wanted());
        let (told, hears) = tokio::sync::oneshot::channel();
        let waits = tokio::spawn({
            let claims = claims.clone();
            async move {
                let waiting = || told.send(()).unwrap();
                claims.claim(&wanted, &two(), waiting, || false).await
            }
        });
        hears.await.unwrap();
        assert!(claims.are_wanted());
        drop(held);
        assert!(waits.await.unwrap().unwrap().is_some());
        assert!(!claims.are_wanted());
        let _held = claims.try_claim(&wanted, &two()).unwrap();
        let given_up = claims.claim(&wanted, &two(), || {}, || true).await;
        assert!(given_up.unwrap().is_none());
    }

    #[test]
    fn the_gpu_of_a_process_that_is_killed_is_free() {
        let (folder, claims) = claims();
        let wanted = [asked("T4:1", Some("T4"), None, Some(1))];
        let path = folder.path().join("GPU-1");
        let mut child = Command::new("flock")
            .arg("--no-fork")
            .arg(&path)
            .args(["sleep", "60"])
            .spawn()
            .unwrap();
        while claims.try_claim(&wanted, &two()).unwrap().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(claims.try_claim(&wanted, &two()).unwrap().is_some());
    }
}
