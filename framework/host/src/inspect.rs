//! What a file says of itself, before anything in it runs. The main function is [`inspect`].

use crate::HostError;
use fovea_abi::raw::{FOVEA_ABI_MAJOR, FOVEA_ABI_MINOR, FOVEA_NOTE_SECTION};
use object::read::elf::{ElfFile64, FileHeader as _};
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, elf};
use std::path::Path;

/// Name of the symbol that a library exports.
const ENTRY: &str = "fovea_plugin_entry";

/// What to build plugins with.
const HOW: &str = "plugins export it with FOVEA_EXPORT (C) or export_plugins! (Rust)";

/// What the note of a library says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The version of the interface it was built for.
    pub abi: (u32, u32),
    /// Sum of the kinds of its plugins.
    pub kinds: u32,
}

/// Checks that `contents`, those of `file`, are a plugin library that this program understands.
///
/// # Errors
/// When they are not; the error says why and what to do.
pub fn inspect(file: &Path, contents: &[u8]) -> Result<Note, HostError> {
    read(contents).map_err(|message| HostError::new(file, message))
}

/// Whether `contents` are a sound library that is no plugin: others may lie beside plugins.
#[must_use]
pub fn is_other_library(contents: &[u8]) -> bool {
    ElfFile64::<Endianness>::parse(contents).is_ok_and(|library| {
        library.section_by_name(FOVEA_NOTE_SECTION).is_none() && !exports_entry(&library)
    })
}

fn exports_entry(library: &ElfFile64<'_, Endianness>) -> bool {
    library.dynamic_symbols().any(|symbol| symbol.is_definition() && symbol.name() == Ok(ENTRY))
}

fn read(contents: &[u8]) -> Result<Note, String> {
    const WANTED: &str = "a shared library (ELF, for example made by `cc -shared -fPIC`) is expected";
    if contents.is_empty() {
        return Err(format!("the file is empty; {WANTED}: build it again"));
    }
    if !contents.starts_with(&elf::ELFMAG) {
        let start: String = contents.iter().take(4).map(|byte| format!("{byte:02x} ")).collect();
        return Err(format!("it is no ELF file (it begins with {}); {WANTED}", start.trim_end()));
    }
    check_machine(contents)?;
    let truncated =
        |e: object::Error| format!("the file is truncated or damaged ({e}); build or copy it again");
    let library = ElfFile64::<Endianness>::parse(contents).map_err(truncated)?;
    check_complete(&library, contents.len())?;
    let header = library.elf_header();
    if header.e_type(library.endian()) != elf::ET_DYN {
        return Err(format!("it is no shared library but another kind of ELF file; {WANTED}"));
    }
    let Some(section) = library.section_by_name(FOVEA_NOTE_SECTION) else {
        let exports = if exports_entry(&library) {
            "it exports fovea_plugin_entry"
        } else {
            "it does not export fovea_plugin_entry either"
        };
        return Err(format!(
            "it has no section {FOVEA_NOTE_SECTION}, by which plugins are known ({exports}); write FOVEA_NOTE(kinds) in \
             one of its C files, or export_plugins! in Rust, and build it again"
        ));
    };
    let note = parse_note(section.data().map_err(truncated)?)?;
    let (major, minor) = note.abi;
    let ours = format!("{FOVEA_ABI_MAJOR}.{FOVEA_ABI_MINOR}");
    if major != FOVEA_ABI_MAJOR {
        let whose = if major > FOVEA_ABI_MAJOR {
            "update Fovea, or build it with this version's header"
        } else {
            "build it again with this version's header (fovea_plugin.h)"
        };
        return Err(format!(
            "it was built for version {major}.{minor} of the plugin interface, this program has {ours}, and other major \
             versions do not understand each other: {whose}"
        ));
    }
    if minor > FOVEA_ABI_MINOR {
        return Err(format!(
            "it was built for version {major}.{minor} of the plugin interface, this program knows those up to {ours}: \
             update Fovea, or build it with this version's header"
        ));
    }
    if !exports_entry(&library) {
        return Err(format!(
            "it does not export the function {ENTRY}; {HOW}, and it must not be hidden by -fvisibility or stripped"
        ));
    }
    Ok(note)
}

/// Class, byte order and machine, which a plugin shares with the program.
fn check_machine(contents: &[u8]) -> Result<(), String> {
    let (Some(class), Some(order), Some(machine)) = (contents.get(4), contents.get(5), contents.get(18..20))
    else {
        return Err(format!("the file is truncated after {} bytes; build or copy it again", contents.len()));
    };
    if *class != elf::ELFCLASS64.0 {
        return Err("it is not for 64-bit programs, and this is one; build it without -m32".to_owned());
    }
    let little = *order == elf::ELFDATA2LSB.0;
    if little != cfg!(target_endian = "little") {
        return Err(
            "it is for machines of the other byte order; build it for this machine's architecture".to_owned()
        );
    }
    let bytes = [machine[0], machine[1]];
    let machine = if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
    let name = |machine| match elf::Machine(machine) {
        elf::EM_X86_64 => "x86-64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_386 => "x86 (32 bits)".to_owned(),
        elf::EM_ARM => "arm (32 bits)".to_owned(),
        elf::EM_RISCV => "riscv".to_owned(),
        elf::EM_PPC64 => "powerpc64".to_owned(),
        elf::EM_S390 => "s390".to_owned(),
        elf::Machine(other) => format!("machine number {other}"),
    };
    let found = name(machine);
    let ours = std::env::consts::ARCH.replace('_', "-");
    if found.starts_with("machine number") || found.split(' ').next() != Some(ours.as_str()) {
        return Err(format!(
            "it is for {found}, this program runs on {ours}; build it for this machine's architecture"
        ));
    }
    Ok(())
}

/// Whether everything that is to be loaded is in the file: loading a truncated library dies by SIGBUS.
fn check_complete(library: &ElfFile64<'_, Endianness>, length: usize) -> Result<(), String> {
    use object::read::elf::ProgramHeader as _;
    let endian = library.endian();
    for segment in library.elf_program_headers() {
        let end = segment.p_offset(endian).checked_add(segment.p_filesz(endian));
        if segment.p_type(endian) == elf::PT_LOAD && end.is_none_or(|end| end > length as u64) {
            return Err(format!(
                "the file is truncated: it has {length} bytes and should have at least {}; build or copy it again",
                end.unwrap_or(u64::MAX)
            ));
        }
    }
    Ok(())
}

/// The note among those of the section: name size, description size, type, then both, padded to 4 bytes.
fn parse_note(mut bytes: &[u8]) -> Result<Note, String> {
    let word = |bytes: &[u8], at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let padded = |size: u32| usize::try_from(size).ok()?.checked_next_multiple_of(4);
    while let (Some(name), Some(description), Some(kind)) = (word(bytes, 0), word(bytes, 4), word(bytes, 8)) {
        let (Some(padded_name), Some(padded_description)) = (padded(name), padded(description)) else {
            break;
        };
        let Some(rest) = bytes.get(12 + padded_name..) else { break };
        if bytes[12..].starts_with(b"Fovea\0") && name == 6 && kind == 1 {
            let note = (word(rest, 0), word(rest, 4), word(rest, 8));
            if let (Some(major), Some(minor), Some(kinds)) = note {
                return Ok(Note { abi: (major, minor), kinds });
            }
        }
        bytes = rest.get(padded_description..).unwrap_or_default();
    }
    Err(format!(
        "its section {FOVEA_NOTE_SECTION} holds no note of Fovea; write it with FOVEA_NOTE, not by hand"
    ))
}
