//! Which GPUs of a machine a request means. Pure.

use super::{Gpu, Inventory};
use crate::spec;

/// By how much the memory that a driver reports may differ from what the GPU is sold with: some of it is kept for error correction, and
/// some count in powers of ten.
const TOLERANCE: f64 = 0.12;

/// The GPUs that one alternative means.
pub(super) fn matching<'a>(
    wanted: &'a spec::Gpu,
    gpus: &'a [Gpu],
) -> impl Iterator<Item = &'a Gpu> + Clone {
    gpus.iter().filter(|gpu| {
        let is_kind = wanted.kind.is_none_or(|kind| is_of_kind(&gpu.name, kind));
        let is_size = wanted.memory.is_none_or(|memory| {
            let gib = gpu.memory as f64 / f64::from(1 << 30);
            (gib / f64::from(memory) - 1.0).abs() <= TOLERANCE
        });
        is_kind && is_size
    })
}

/// Whether a name has the words of a type, one after the other: `NVIDIA A100-SXM4-80GB`, `NVIDIA RTX PRO 6000 Blackwell`.
fn is_of_kind(name: &str, kind: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .map(str::to_ascii_uppercase)
            .collect()
    };
    let kind = words(kind);
    words(name).windows(kind.len()).any(|part| part == kind)
}

/// How many GPUs an alternative takes.
pub(super) fn count(wanted: &spec::Gpu) -> usize {
    wanted
        .count
        .map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// Whether the machine has what one of the alternatives asks for; else what there is, and what to do.
pub(crate) fn check(wanted: &[spec::Gpu], inventory: &Inventory) -> Result<(), String> {
    let has = |gpu: &spec::Gpu| matching(gpu, &inventory.gpus).count() >= count(gpu);
    if wanted.is_empty() || wanted.iter().any(has) {
        return Ok(());
    }
    let asked: Vec<_> = wanted.iter().map(|gpu| format!("`{}`", gpu.text)).collect();
    let asked = asked.join(", else ");
    let Inventory { gpus, reason } = inventory;
    if gpus.is_empty() {
        let reason = reason.as_ref().map(|reason| format!(": {reason}"));
        return Err(format!(
            "it asks for the GPU {asked}, and this machine has none{}\n  help: call it where there is one; `nvidia-smi` shows what the driver finds",
            reason.unwrap_or_default()
        ));
    }
    let there: Vec<_> = gpus.iter().map(ToString::to_string).collect();
    Err(format!(
        "it asks for the GPU {asked}, and this machine has {}\n  help: a list is in order of preference: `gpu = [\"{}\", \"any\"]`",
        there.join(", "),
        wanted[0].text
    ))
}

/// How many containers can have GPUs of their own at a time; nothing where they may share.
pub(crate) fn most_containers(wanted: &[spec::Gpu], inventory: &Inventory) -> Option<usize> {
    let mut all: Vec<_> = wanted
        .iter()
        .flat_map(|gpu| matching(gpu, &inventory.gpus))
        .map(|gpu| gpu.index)
        .collect();
    all.sort_unstable();
    all.dedup();
    let is_exclusive = !wanted.is_empty() && wanted.iter().all(|gpu| gpu.count.is_some());
    let least = wanted.iter().map(count).min()?;
    is_exclusive.then(|| (all.len() / least).max(1))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn asked(
        text: &'static str,
        kind: Option<&'static str>,
        memory: Option<u32>,
        count: Option<u32>,
    ) -> spec::Gpu {
        spec::Gpu {
            text,
            kind,
            memory,
            count,
        }
    }

    /// A machine with these GPUs: their names, and their memory in MiB as drivers report it.
    pub(crate) fn machine(gpus: &[(&str, u64)]) -> Inventory {
        let gpus = (0..).zip(gpus).map(|(index, (name, mebibytes))| Gpu {
            index,
            minor: index,
            uuid: format!("GPU-{index}"),
            name: (*name).to_owned(),
            memory: mebibytes << 20,
        });
        Inventory {
            gpus: gpus.collect(),
            reason: None,
        }
    }

    #[test]
    fn types_are_found_in_the_names_that_drivers_give() {
        for (name, kind) in [
            ("Tesla T4", "T4"),
            ("NVIDIA L4", "L4"),
            ("NVIDIA A10", "A10"),
            ("NVIDIA A10G", "A10G"),
            ("NVIDIA L40S", "L40S"),
            ("NVIDIA A100-SXM4-80GB", "A100"),
            ("A100-PCIE-40GB", "A100"),
            ("NVIDIA H100 80GB HBM3", "H100"),
            ("NVIDIA H100 PCIe", "H100"),
            ("NVIDIA H200", "H200"),
            ("NVIDIA B200", "B200"),
            (
                "NVIDIA RTX PRO 6000 Blackwell Server Edition",
                "RTX-PRO-6000",
            ),
        ] {
            assert!(is_of_kind(name, kind), "{name}");
            let others = [
                "T4", "L4", "A10", "A10G", "L40S", "A100", "H100", "H200", "B200",
            ];
            let others = others.into_iter().filter(|other| *other != kind);
            let wrong: Vec<_> = others.filter(|other| is_of_kind(name, other)).collect();
            assert!(wrong.is_empty(), "{name} is taken for {wrong:?}");
        }
        assert!(!is_of_kind(
            "NVIDIA RTX 6000 Ada Generation",
            "RTX-PRO-6000"
        ));
        assert!(!is_of_kind("NVIDIA GH200 480GB", "H200"));
    }

    #[test]
    fn memory_is_what_a_gpu_is_sold_with() {
        for (name, mebibytes, kind, memory) in [
            ("NVIDIA A100-SXM4-80GB", 81_920, "A100", 80),
            ("NVIDIA A100-SXM4-40GB", 40_960, "A100", 40),
            ("NVIDIA H100 80GB HBM3", 81_559, "H100", 80),
            ("NVIDIA H200", 143_771, "H200", 141),
            ("Tesla T4", 15_360, "T4", 16),
            ("NVIDIA L4", 23_034, "L4", 24),
            ("NVIDIA B200", 183_359, "B200", 180),
        ] {
            let machine = machine(&[(name, mebibytes)]);
            let wanted = |memory| asked("", Some(kind), Some(memory), None);
            assert!(check(&[wanted(memory)], &machine).is_ok(), "{name}");
            for other in [memory / 2, memory * 2] {
                assert!(check(&[wanted(other)], &machine).is_err(), "{name} {other}");
            }
        }
    }

    #[test]
    fn what_a_machine_does_not_have_is_said_with_what_it_has() {
        let t4 = machine(&[("Tesla T4", 15_360), ("Tesla T4", 15_360)]);
        let a100 = asked("A100", Some("A100"), None, None);
        let three = asked("T4:3", Some("T4"), None, Some(3));
        let text = check(&[a100, three], &t4).unwrap_err();
        for says in [
            "`A100`, else `T4:3`",
            "Tesla T4 (15 GiB), Tesla T4",
            "help:",
            "[\"A100\", \"any\"]",
        ] {
            assert!(text.contains(says), "{text}");
        }
        let two = asked("T4:2", Some("T4"), None, Some(2));
        assert_eq!(check(&[a100, two], &t4), Ok(()));
        assert_eq!(check(&[asked("any", None, None, None)], &t4), Ok(()));
        assert_eq!(check(&[], &Inventory::default()), Ok(()));
        let none = Inventory {
            gpus: Vec::new(),
            reason: Some("no driver".to_owned()),
        };
        let text = check(&[asked("any", None, None, None)], &none).unwrap_err();
        assert!(
            text.contains("has none: no driver") && text.contains("help:"),
            "{text}"
        );
    }

    #[test]
    fn there_are_no_more_containers_than_gpus_of_their_own() {
        let mixed = machine(&[
            ("Tesla T4", 15_360),
            ("Tesla T4", 15_360),
            ("NVIDIA L4", 23_034),
        ]);
        let any = |count| asked("any", None, None, count);
        let t4 = |count| asked("T4", Some("T4"), None, count);
        assert_eq!(most_containers(&[any(Some(1))], &mixed), Some(3));
        assert_eq!(most_containers(&[any(Some(2))], &mixed), Some(1));
        assert_eq!(most_containers(&[t4(Some(1))], &mixed), Some(2));
        assert_eq!(most_containers(&[t4(None)], &mixed), None);
        assert_eq!(most_containers(&[], &mixed), None);
    }
}
