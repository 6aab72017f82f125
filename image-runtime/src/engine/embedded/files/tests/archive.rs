//! Makes tar archives that no tool would.

use tar::{EntryType, Header};

/// An archive in the making.
#[derive(Clone, Default)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn directory(self, name: &str) -> Self {
        self.entry(b'5', name, "", b"", |_| {})
    }

    pub(super) fn file(self, name: &str, content: &str) -> Self {
        self.entry(b'0', name, "", content.as_bytes(), |_| {})
    }

    pub(super) fn link(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, target, b"", |_| {})
    }

    pub(super) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name, target, b"", |_| {})
    }

    /// A PAX header for the next entry.
    pub(super) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            let mut length = key.len() + value.len() + 3;
            // The length counts its own digits.
            while length != key.len() + value.len() + 3 + length.to_string().len() {
                length = key.len() + value.len() + 3 + length.to_string().len();
            }
            text.extend_from_slice(format!("{length} {key}=").as_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        self.entry(b'x', "pax", "", &text, |_| {})
    }

    /// Any entry.
    pub(super) fn entry(
        self,
        kind: u8,
        name: &str,
        link: &str,
        content: &[u8],
        change: impl Fn(&mut Header),
    ) -> Self {
        self.push(kind, name, link, content, &change)
    }

    /// Names that are too long for a header come before it, as GNU tar does it.
    fn push(
        mut self,
        kind: u8,
        name: &str,
        link: &str,
        content: &[u8],
        change: &dyn Fn(&mut Header),
    ) -> Self {
        for (kind, name) in [(b'L', name), (b'K', link)] {
            if name.len() > 100 {
                let content = [name.as_bytes(), b"\0"].concat();
                self = self.push(kind, "././@LongLink", "", &content, &|_| {});
            }
        }
        let mut header = Header::new_gnu();
        let put = |field: &mut [u8], text: &str| {
            let length = text.len().min(field.len());
            field[..length].copy_from_slice(&text.as_bytes()[..length]);
        };
        let fields = header.as_gnu_mut().unwrap();
        put(&mut fields.name, name);
        put(&mut fields.linkname, link);
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(if kind == b'5' { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_600_000_000);
        header.set_size(content.len() as u64);
        header.set_device_major(0).unwrap();
        header.set_device_minor(0).unwrap();
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The archive with its end.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}
