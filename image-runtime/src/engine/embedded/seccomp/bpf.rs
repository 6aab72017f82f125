//! Ranges of numbers as a program of the kernel's packet filter: a balanced tree of comparisons.
//!
//! The program is written from its end to its beginning. Jumps go forward only, so what is jumped to has its place by then.
//! It keeps to what the kernel can work out ahead (5.11 and later): calls that are always allowed then run no filter.

use libc::{
    BPF_ABS, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, ENOSYS,
    EPERM, S_IFCHR, S_IFREG, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS,
    sock_filter,
};

use super::rules::{Range, Verdict};

/// Where the parts of `struct seccomp_data` lie.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The lower half of the first argument; both architectures are little endian.
const FIRST_ARGUMENT: u32 = 16;
/// From one argument to the next.
const ARGUMENT: u32 = 8;

/// Makes the program. `ranges` begins with number 0.
pub(super) fn compile(architecture: u32, ranges: &[Range]) -> Vec<sock_filter> {
    let mut program = Program::default();
    let kill = program.give(SECCOMP_RET_KILL_PROCESS);
    let results = Results {
        allow: program.give(SECCOMP_RET_ALLOW),
        pretend: program.give(SECCOMP_RET_ERRNO),
        refuse: program.give(SECCOMP_RET_ERRNO | EPERM as u32),
        unknown: program.give(SECCOMP_RET_ERRNO | ENOSYS as u32),
    };
    let tree = program.tree(ranges, results);
    program.go_to(tree);
    let by_number = program.load(NUMBER);
    program.branch(BPF_JEQ, architecture, by_number, kill);
    program.load(ARCHITECTURE);
    program.backwards.reverse();
    program.backwards
}

/// The place of an instruction, counted from the end of the program.
type Place = usize;

#[derive(Clone, Copy)]
struct Results {
    allow: Place,
    pretend: Place,
    refuse: Place,
    unknown: Place,
}

#[derive(Default)]
struct Program {
    backwards: Vec<sock_filter>,
}

impl Program {
    fn tree(&mut self, ranges: &[Range], results: Results) -> Place {
        match ranges {
            [] => unreachable!("there is a first range, and a half of two has one"),
            [range] => self.verdict(range.verdict, results),
            _ => {
                let (low, high) = ranges.split_at(ranges.len() / 2);
                let first = high[0].first;
                let high = self.tree(high, results);
                let low = self.tree(low, results);
                self.branch(BPF_JGE, first, high, low)
            }
        }
    }

    fn verdict(&mut self, verdict: Verdict, results: Results) -> Place {
        match verdict {
            Verdict::Allow => results.allow,
            Verdict::Pretend => results.pretend,
            Verdict::PretendDevices(argument) => {
                // Of all kinds that can be made, the two of devices have the one bit and not the other.
                let device = self.branch(BPF_JSET, S_IFCHR, results.pretend, results.allow);
                self.branch(BPF_JSET, S_IFREG, results.allow, device);
                self.load(FIRST_ARGUMENT + argument * ARGUMENT)
            }
            Verdict::Refuse => results.refuse,
            Verdict::Unknown => results.unknown,
            Verdict::Only(values) => self.one_of(values, results.allow, results.refuse),
            Verdict::Except(values) => self.one_of(values, results.refuse, results.allow),
            Verdict::Without(bits) => {
                self.branch(BPF_JSET, bits, results.refuse, results.allow);
                self.load(FIRST_ARGUMENT)
            }
        }
    }

    fn one_of(&mut self, values: &[u32], yes: Place, no: Place) -> Place {
        let first = values
            .iter()
            .rev()
            .fold(no, |no, value| self.branch(BPF_JEQ, *value, yes, no));
        self.go_to(first);
        self.load(FIRST_ARGUMENT)
    }

    fn load(&mut self, offset: u32) -> Place {
        self.put(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
    }

    fn give(&mut self, result: u32) -> Place {
        self.put(BPF_RET | BPF_K, result, 0, 0)
    }

    /// Jumps to one of two places, as a comparison with `value` says.
    fn branch(&mut self, comparison: u32, value: u32, yes: Place, no: Place) -> Place {
        let yes = self.near(yes);
        let no = self.near(no);
        let short = |distance| u8::try_from(distance).expect("`near` keeps jumps short");
        let (yes, no) = (short(self.distance(yes)), short(self.distance(no)));
        self.put(BPF_JMP | comparison | BPF_K, value, yes, no)
    }

    /// The place, or where that is too far for a comparison, which counts to 255 only, the place of a long jump to it.
    /// A comparison has two targets, so one more instruction may come between.
    fn near(&mut self, place: Place) -> Place {
        if self.distance(place) < usize::from(u8::MAX) {
            place
        } else {
            self.jump(place)
        }
    }

    /// Makes the program go on at a place.
    fn go_to(&mut self, place: Place) {
        if self.distance(place) != 0 {
            self.jump(place);
        }
    }

    fn jump(&mut self, place: Place) -> Place {
        let distance = u32::try_from(self.distance(place)).expect("a program is short");
        self.put(BPF_JMP | BPF_JA, distance, 0, 0)
    }

    /// How many instructions the next one must skip to reach a place.
    fn distance(&self, place: Place) -> usize {
        self.backwards.len() - 1 - place
    }

    fn put(&mut self, code: u32, k: u32, jt: u8, jf: u8) -> Place {
        let code = u16::try_from(code).expect("codes have 16 bits");
        self.backwards.push(sock_filter { code, jt, jf, k });
        self.backwards.len() - 1
    }
}
