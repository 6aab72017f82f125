//! A small interpreter of the packet filter's language: what the program uses of it, checked as the kernel checks.

use libc::sock_filter;

/// What the kernel shows a program of a system call, as far as ours looks.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) architecture: u32,
    pub(super) arguments: [u64; 3],
}

pub(super) struct Ran {
    pub(super) result: u32,
    /// How many instructions it took.
    pub(super) steps: usize,
}

/// Runs a program. It fails where the program is none: a jump out of it, an instruction we do not know.
pub(super) fn run(program: &[sock_filter], call: Call) -> Ran {
    let mut accumulator = 0;
    let mut at = 0;
    for steps in 1.. {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let mut choose = |condition: bool| at += usize::from(if condition { jt } else { jf });
        match code {
            // ld [k]
            0x20 => {
                accumulator = match k {
                    0 => call.number,
                    4 => call.architecture,
                    16 | 24 | 32 => call.arguments[(k as usize - 16) / 8] as u32,
                    _ => panic!("nothing lies at {k}"),
                }
            }
            0x05 => at += k as usize,
            0x15 => choose(accumulator == k),
            0x35 => choose(accumulator >= k),
            0x45 => choose(accumulator & k != 0),
            0x06 => return Ran { result: k, steps },
            _ => panic!("instruction {code:#x}"),
        }
    }
    unreachable!("jumps go forward, so a program ends")
}
