//! Reads what a program says of its loader, its libraries and its build.

use std::fs::File;
use std::path::Path;

use object::elf::{
    DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRTAB, ELF_NOTE_GNU, FileHeader32, FileHeader64, Machine,
    NT_GNU_BUILD_ID,
};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::read::{Error, FileKind, ReadCache, ReadRef};
use object::{Endianness, elf};

use super::BundleError;

/// What we read of an ELF file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Elf {
    /// What can load what: 32 or 64 bits, and the machine.
    pub(super) kind: (bool, Option<Machine>),
    /// The dynamic loader; none where the program is static.
    pub(super) interpreter: Option<String>,
    /// The names of the libraries it needs.
    pub(super) needed: Vec<String>,
    /// Where its libraries and theirs are looked for first.
    pub(super) rpath: Vec<String>,
    /// Where its own libraries are looked for.
    pub(super) runpath: Vec<String>,
}

impl Elf {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, BundleError> {
        look(
            path,
            |data| read::<FileHeader32<Endianness>, _>(data),
            |data| read::<FileHeader64<Endianness>, _>(data),
        )
    }
}

/// What the linker wrote into a file to tell builds apart. Every worker asks this when it starts, so no more is read than it takes.
pub(super) fn build_id(path: &Path) -> Result<Option<Vec<u8>>, BundleError> {
    look(
        path,
        |data| noted::<FileHeader32<Endianness>, _>(data),
        |data| noted::<FileHeader64<Endianness>, _>(data),
    )
}

/// Looks into a file, of 32 bits or of 64.
fn look<T>(
    path: &Path,
    of_32: impl FnOnce(&ReadCache<File>) -> Result<T, String>,
    of_64: impl FnOnce(&ReadCache<File>) -> Result<T, String>,
) -> Result<T, BundleError> {
    let file = File::open(path).map_err(BundleError::at(path))?;
    let data = ReadCache::new(file);
    let found = match FileKind::parse(&data).map_err(said) {
        Ok(FileKind::Elf32) => of_32(&data),
        Ok(FileKind::Elf64) => of_64(&data),
        Ok(_) => Err("it is of another format".to_owned()),
        Err(reason) => Err(reason),
    };
    found.map_err(|reason| BundleError::NotElf {
        path: path.to_owned(),
        reason,
    })
}

fn said(error: Error) -> String {
    error.to_string()
}

fn read<'data, H, R>(data: R) -> Result<Elf, String>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = H::parse(data).map_err(said)?;
    let endian = header.endian().map_err(said)?;
    let segments = header.program_headers(endian, data).map_err(said)?;
    let mut read = Elf {
        kind: (header.is_class_64(), Some(header.e_machine(endian))),
        ..Elf::default()
    };
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data).map_err(said)? {
            read.interpreter = Some(text(interpreter));
        }
        let Some(entries) = segment.dynamic(endian, data).map_err(said)? else {
            continue;
        };
        let entries: Vec<(elf::DynamicTag, u64)> = entries
            .iter()
            .map(|entry| (entry.d_tag(endian), entry.d_val(endian).into()))
            .take_while(|(tag, _)| *tag != elf::DT_NULL)
            .collect();
        // The table of names is given as an address in memory: the segment that is loaded there has it.
        let names = entries
            .iter()
            .find(|(tag, _)| *tag == DT_STRTAB)
            .and_then(|(_, address)| {
                segments
                    .iter()
                    .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
                    .find_map(|segment| {
                        let start: u64 = segment.p_vaddr(endian).into();
                        let within = address.checked_sub(start)?;
                        let size: u64 = segment.p_filesz(endian).into();
                        let offset: u64 = segment.p_offset(endian).into();
                        (within < size).then_some(offset + within)
                    })
            });
        for (tag, value) in entries {
            let name = || {
                let start = names.unwrap_or_default() + value;
                let end = data.len().unwrap_or_default();
                let bytes = data.read_bytes_at_until(start..end, 0);
                bytes
                    .map(text)
                    .map_err(|()| "a name lies outside the file".to_owned())
            };
            match tag {
                DT_NEEDED => read.needed.push(name()?),
                DT_RPATH => read.rpath = folders(&name()?),
                DT_RUNPATH => read.runpath = folders(&name()?),
                _ => {}
            }
        }
    }
    Ok(read)
}

fn noted<'data, H, R>(data: R) -> Result<Option<Vec<u8>>, String>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = H::parse(data).map_err(said)?;
    let endian = header.endian().map_err(said)?;
    for segment in header.program_headers(endian, data).map_err(said)? {
        let Some(mut notes) = segment.notes(endian, data).map_err(said)? else {
            continue;
        };
        while let Some(note) = notes.next().map_err(said)? {
            if note.name() == ELF_NOTE_GNU && note.n_type(endian) == NT_GNU_BUILD_ID {
                return Ok(Some(note.desc().to_vec()));
            }
        }
    }
    Ok(None)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folders(list: &str) -> Vec<String> {
    list.split(':')
        .filter(|folder| !folder.is_empty())
        .map(str::to_owned)
        .collect()
}
