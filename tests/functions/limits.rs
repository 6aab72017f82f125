//! What a function may use of the machine, and what is told where it wants more.

use std::fs;
use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use image_runtime::{CallErrorKind, app};
use serde_bytes::ByteBuf;

use crate::{DEBIAN, NOTHING};

/// A limit that cannot be kept here is an error that says so; then there is nothing else to see.
fn cannot_be_kept(error: &image_runtime::CallError) -> bool {
    let text = error.to_string();
    let is_refused = error.kind() == CallErrorKind::Engine && text.contains("limit cannot be kept");
    assert!(!is_refused || text.contains("help:"), "{text}");
    is_refused && !tests::have("control groups", false)
}

#[app::function(image = NOTHING, memory = "64MiB")]
fn fill(mebibytes: usize) -> usize {
    let filled: Vec<_> = (0..mebibytes).map(|n| vec![n as u8 | 1; 1 << 20]).collect();
    black_box(&filled).len()
}

#[app::test]
async fn a_function_that_needs_more_memory_than_it_has_is_told_apart() {
    match fill::remote(8).await {
        Err(error) if cannot_be_kept(&error) => return,
        few => assert_eq!(few.unwrap(), 8),
    }
    let error = fill::remote(500).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), CallErrorKind::OutOfMemory, "{text}");
    for says in ["`fill`", "limit is 64.0 MiB", "peak", "help:", "`memory = "] {
        assert!(text.contains(says), "{text}");
    }
    assert_eq!(fill::remote(8).await.expect("the next call works"), 8);
}

#[app::function(image = NOTHING, memory = "64MiB")]
fn as_many(mebibytes: usize, given: ByteBuf) -> ByteBuf {
    ByteBuf::from(vec![1; (mebibytes << 20).max(given.len())])
}

#[app::test]
async fn values_that_are_larger_than_the_memory_are_told_like_all_that_needs_more() {
    let given = |mebibytes: usize| ByteBuf::from(vec![1; mebibytes << 20]);
    match as_many::remote(4, given(0)).await {
        Err(error) if cannot_be_kept(&error) => return,
        few => assert_eq!(few.unwrap().len(), 4 << 20),
    }
    for (result, argument) in [(80, 0), (0, 200)] {
        let answer = as_many::remote(result, given(argument)).await;
        let error = answer.map(|bytes| bytes.len()).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::OutOfMemory, "{error}");
    }
    let next = as_many::remote(4, given(4)).await;
    assert_eq!(next.expect("the next call works").len(), 4 << 20);
}

#[app::function(image = NOTHING, memory = "64MiB", retries(max = 1, initial_delay = "0s"))]
fn fill_again(mebibytes: usize) -> usize {
    fill(mebibytes)
}

#[app::test]
async fn running_out_of_memory_is_retried_where_that_is_asked_for() {
    let error = fill_again::remote(500).await.unwrap_err();
    if cannot_be_kept(&error) {
        return;
    }
    let text = error.to_string();
    assert_eq!(error.kind(), CallErrorKind::OutOfMemory, "{text}");
    assert!(text.contains("last of 2 tries"), "{text}");
}

#[app::function(image = NOTHING, memory = "64MiB")]
fn kill_itself() {
    let killed =
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    killed.expect("we may");
}

#[app::test]
async fn a_worker_that_is_killed_within_its_memory_has_died() {
    let error = kill_itself::remote().await.unwrap_err();
    if !cannot_be_kept(&error) {
        assert_eq!(error.kind(), CallErrorKind::Died, "{error}");
    }
}

/// A program in the container, and not this one, is what runs out of memory.
#[app::function(image = DEBIAN, memory = "64MiB")]
fn sort_everything() -> String {
    let status = Command::new("sh")
        .args(["-c", "head -c 500000000 /dev/zero | tail -c 400000000"])
        .output();
    format!("{:?}", status.map(|output| output.status.success()))
}

#[app::test]
async fn a_function_outlives_a_program_that_took_its_memory() {
    match sort_everything::remote().await {
        // The kernel chooses, and takes the larger as a rule.
        Ok(status) => assert!(status.contains("Ok("), "{status}"),
        Err(error) => assert!(
            cannot_be_kept(&error) || error.kind() == CallErrorKind::OutOfMemory,
            "{error}"
        ),
    }
}

#[app::function(image = NOTHING, cpu = 0.5)]
fn quota() -> String {
    let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}"));
    let quota = read("cpu/cpu.cfs_quota_us").or_else(|_| read("cpu.max"));
    quota.unwrap_or_default()
}

#[app::test]
async fn half_a_cpu_is_half_of_each_slice_of_time() {
    match quota::remote().await {
        Err(error) if cannot_be_kept(&error) => {}
        quota => assert!(quota.unwrap().starts_with("50000")),
    }
}

#[app::function(image = NOTHING, cpu = 512)]
fn many_cpus() -> u8 {
    7
}

#[app::test]
async fn more_cpus_than_there_are_is_no_limit() {
    match many_cpus::remote().await {
        Err(error) if cannot_be_kept(&error) => {}
        seven => assert_eq!(seven.unwrap(), 7),
    }
}

#[app::function(image = NOTHING, network = false)]
fn reach(address: &str) -> (Result<(), String>, Vec<String>) {
    let reached = TcpStream::connect(address).map(drop);
    let devices = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let devices = devices.lines().filter_map(|line| line.split_once(':'));
    let devices = devices.map(|(name, _)| name.trim().to_owned()).collect();
    (reached.map_err(|error| error.to_string()), devices)
}

#[app::function(image = NOTHING, network = false)]
fn reach_itself() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a loopback");
    let address = listener.local_addr().expect("it is bound");
    TcpStream::connect(address).is_ok()
}

#[app::test]
async fn without_network_nothing_is_reached_but_the_container_itself() {
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = outside.local_addr().unwrap().to_string();
    let (reached, devices) = reach::remote(&address).await.unwrap();
    assert!(reached.is_err(), "{reached:?}");
    assert_eq!(devices, ["lo"]);
    assert!(reach_itself::remote().await.unwrap());
}
