//! How a host and a worker find each other. Where the host made the first process of the container, or where that one is a relay, the worker
//! is given a socket as its standard input. Elsewhere they meet in a directory that both see, with a socket in it, which is not needed any
//! more once they have.
//!
//! To make and remove files on a disk takes long, so there are few: workers that start at the same time have one private directory in
//! common, and pipes and another socket are handed over through the socket.

use std::fs;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::net::sockopt::socket_domain;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::net::UnixListener;

use super::error::StartError;
use crate::store::{RunDir, Store, socket_in};

/// The name of the socket.
pub(super) const SOCKET: &str = "socket";

/// The meetings of a host.
#[derive(Debug, Default)]
pub(super) struct Meetings {
    /// There as long as anybody meets in it.
    private: Mutex<Weak<RunDir>>,
    count: AtomicU64,
}

/// A directory in which one worker is awaited. It goes when this does.
#[derive(Debug)]
pub(super) struct Meeting {
    directory: PathBuf,
    pub(super) listener: UnixListener,
    #[expect(dead_code, reason = "there until it is dropped")]
    private: Arc<RunDir>,
}

impl Meetings {
    /// Awaits a worker.
    ///
    /// # Errors
    /// The directory or the socket cannot be made.
    pub(super) fn begin(&self, store: &Store) -> Result<Meeting, StartError> {
        let private = {
            let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
            match private.upgrade() {
                Some(there) => there,
                None => {
                    let new = Arc::new(store.run_dir()?);
                    *private = Arc::downgrade(&new);
                    new
                }
            }
        };
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let directory = private.path().join(number.to_string());
        let listener = shared_with_any_user(&directory)
            .and_then(|()| listen(&directory))
            .map_err(|error| StartError::Socket(private.path().to_owned(), error))?;
        Ok(Meeting {
            directory,
            listener,
            private,
        })
    }
}

impl Meeting {
    /// What the worker is to see.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // What cannot be removed goes with the private directory.
        let _ = fs::remove_file(self.directory.join(SOCKET));
        let _ = fs::remove_dir(&self.directory);
    }
}

/// A directory in a private one. The image's user need not be ours, and finds in it what it knows the name of.
fn shared_with_any_user(directory: &Path) -> io::Result<()> {
    fs::create_dir(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o711))
}

fn listen(directory: &Path) -> io::Result<UnixListener> {
    socket_in(directory, SOCKET, |path| {
        let listener = UnixListener::bind(path)?;
        // The image's user need not be ours; the directory above is private.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Ok(listener)
    })
}

/// Whether the standard input of this process is such a socket, if it is a worker.
pub(super) fn is_given() -> bool {
    is_unix_socket(rustix::stdio::stdin())
}

fn is_unix_socket(file: impl AsFd) -> bool {
    socket_domain(file).is_ok_and(|family| family == AddressFamily::UNIX)
}

/// Hands open files to the other side of a socket.
///
/// # Errors
/// What the system says.
pub(super) fn hand_over(socket: impl AsFd, files: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    with.push(SendAncillaryMessage::ScmRights(&files));
    // They go with a byte, not alone.
    sendmsg(
        socket,
        &[IoSlice::new(&[0])],
        &mut with,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Takes what [`hand_over`] handed over.
///
/// # Errors
/// The other side is gone, or sent something else.
pub(super) fn take_over(socket: impl AsFd) -> io::Result<[OwnedFd; 3]> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut buffers = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut buffers, &mut with, RecvFlags::CMSG_CLOEXEC)?;
    let files = with.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    let files: Vec<_> = files.flatten().collect();
    files
        .try_into()
        .map_err(|_| io::Error::new(ErrorKind::UnexpectedEof, "the host handed over nothing"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn files_that_are_handed_over_are_open_on_the_other_side() {
        let (host, worker) = UnixStream::pair().unwrap();
        let (mut read, write) = io::pipe().unwrap();
        hand_over(&host, [write.as_fd(); 3]).unwrap();
        drop(write);
        for file in take_over(&worker).unwrap() {
            fs::File::from(file).write_all(b"x").unwrap();
        }
        let mut seen = String::new();
        read.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "xxx");
        drop(host);
        let gone = take_over(&worker).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_pipe_and_a_connection_of_a_daemon_are_no_socket_to_a_host() {
        let (socket, _other) = UnixStream::pair().unwrap();
        assert!(is_unix_socket(socket));
        // A daemon may attach containers by either.
        assert!(!is_unix_socket(io::pipe().unwrap().0));
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        assert!(!is_unix_socket(
            std::net::TcpStream::connect(address).unwrap()
        ));
    }

    #[tokio::test]
    async fn meetings_at_the_same_time_are_apart_and_nothing_of_them_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        let run = store.path().join("run");
        let meetings = Meetings::default();
        for _ in 0..2 {
            let (one, other) = (
                meetings.begin(&store).unwrap(),
                meetings.begin(&store).unwrap(),
            );
            let parent = |meeting: &Meeting| meeting.directory().parent().unwrap().to_owned();
            assert_ne!(one.directory(), other.directory());
            assert_eq!(parent(&one), parent(&other));
            let gone = one.directory().to_owned();
            drop(one);
            assert!(!gone.exists() && other.directory().join(SOCKET).exists());
            drop(other);
            assert_eq!(fs::read_dir(&run).unwrap().count(), 0);
        }
    }
}
