//! How layers are stacked: what an overlay mount is told. Paths in it are short and relative, since the kernel takes one page of
//! options. Stacks that need more are told it layer by layer, which takes a newer kernel.

use std::io;
use std::path::{Path, PathBuf};

use super::form::Form;
use super::kernel;

/// The kernel takes a page of options, and ends it with a NUL.
const LONGEST: usize = 4095;
/// `OVL_MAX_STACK` of the kernel.
pub(super) const MOST: usize = 500;

/// Where every container's root is mounted, from the folder of the layers. Each sees only its own mount.
const ROOT: &str = "../root";

/// A stack of layers with a place for what is written.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    /// Where all paths begin: the folder of the layers.
    pub(super) directory: PathBuf,
    /// Where the mount goes, from there.
    pub(super) target: String,
    /// Topmost first.
    pub(super) layers: Vec<String>,
    /// What is written, and what the kernel needs beside it.
    pub(super) places: [(&'static str, String); 2],
    pub(super) settings: Settings,
}

/// A key with a value or a key alone each.
type Settings = Vec<(&'static str, Option<&'static str>)>;

/// What the mount is told.
#[derive(Clone, Debug)]
pub(super) enum Options {
    /// At once, by `mount`: one system call.
    Page(String),
    /// One after the other, by `fsconfig`.
    Each(Vec<(String, Option<String>)>),
}

impl Overlay {
    /// The layers, by their paths from `directory`, topmost first. `scratch` holds `upper` and `work`.
    ///
    /// # Errors
    /// There are more layers than the kernel can stack.
    pub(super) fn new(
        directory: &Path,
        layers: impl IntoIterator<Item = String>,
        scratch: &str,
        form: Form,
        volatile: bool,
    ) -> io::Result<Self> {
        let layers: Vec<_> = layers.into_iter().collect();
        let mut settings: Settings = vec![("index", Some("off"))];
        match form {
            // What a distribution switches on would make layers that cannot be stacked anew.
            Form::Root => {
                settings.extend([("metacopy", Some("off")), ("redirect_dir", Some("off"))])
            }
            // Both are off with it, and may not be named.
            Form::Range | Form::User => settings.push(("userxattr", None)),
        }
        if volatile {
            settings.push(("volatile", None));
        }
        let overlay = Self {
            directory: directory.to_owned(),
            target: ROOT.to_owned(),
            layers,
            places: [
                ("upperdir", format!("{scratch}/upper")),
                ("workdir", format!("{scratch}/work")),
            ],
            settings,
        };
        let is_short = overlay.page(overlay.layers.len()).len() <= LONGEST;
        let can_append = kernel::is_at_least(APPENDING) && overlay.layers.len() <= MOST;
        match is_short || can_append {
            true => Ok(overlay),
            false => Err(overlay.too_many()),
        }
    }

    /// What a container's process tells the kernel.
    pub(super) fn options(&self) -> Options {
        let page = self.page(self.layers.len());
        if page.len() <= LONGEST {
            return Options::Page(page);
        }
        let told = |(key, value): (&str, Option<&str>)| (key.to_owned(), value.map(str::to_owned));
        let layers = self
            .layers
            .iter()
            .map(|layer| (LAYER, Some(layer.as_str())));
        Options::Each(layers.chain(self.rest()).map(told).collect())
    }

    /// What is told besides the layers.
    fn rest(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let places = self.places.iter();
        let places = places.map(|(key, path)| (*key, Some(path.as_str())));
        places.chain(self.settings.iter().copied())
    }

    /// All that is told at once, of so many layers.
    fn page(&self, layers: usize) -> String {
        let mut page = format!("lowerdir={}", self.layers[..layers].join(":"));
        for (key, value) in self.rest() {
            page.push(',');
            page.push_str(key);
            if let Some(value) = value {
                page.push('=');
                page.push_str(value);
            }
        }
        page
    }

    fn too_many(&self) -> io::Error {
        // The last one is below every image, and is none of its layers.
        let (count, most) = (self.layers.len() - 1, MOST - 1);
        let limit = if kernel::is_at_least(APPENDING) {
            format!("can stack: it takes {most}")
        } else {
            let fit = (0..self.layers.len()).rev();
            let fit = fit
                .map(|count| count.saturating_sub(1))
                .find(|fit| self.page(fit + 1).len() <= LONGEST)
                .unwrap_or_default();
            format!("can stack before 6.8: this one takes {fit}, a newer one {most}")
        };
        io::Error::other(format!(
            "{count} layers are more than Linux {limit}\n  help: join steps: each verb of an image is a layer"
        ))
    }
}

/// The key of a layer that is told by itself, topmost first.
pub(super) const LAYER: &str = "lowerdir+";

/// The Linux that takes layers one by one.
const APPENDING: (u32, u32) = (6, 8);

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(count: usize) -> io::Result<Overlay> {
        let layers = (0..count).map(|number| format!("{number:016x}/fs"));
        Overlay::new(
            Path::new("/store/layers"),
            layers,
            "../containers/01234567",
            Form::Root,
            true,
        )
    }

    #[test]
    fn a_hundred_and_fifty_layers_fit_into_a_page_of_options() {
        let Options::Page(page) = stack(150).unwrap().options() else {
            panic!("it takes one system call")
        };
        assert!(page.ends_with(
            ",upperdir=../containers/01234567/upper,workdir=../containers/01234567/work,index=off,metacopy=off,redirect_dir=off,volatile"
        ));
    }

    #[test]
    fn more_layers_are_told_one_by_one_where_the_kernel_knows_that() {
        match stack(500) {
            Ok(overlay) => {
                assert!(matches!(overlay.options(), Options::Each(each) if each.len() == 506));
            }
            Err(error) => assert!(error.to_string().contains("before 6.8: this one takes 1")),
        }
    }

    #[test]
    fn too_many_layers_are_told_with_what_to_do() {
        let error = stack(501).unwrap_err().to_string();
        assert!(
            error.starts_with("500 layers") && error.contains("499") && error.contains("help:"),
            "{error}"
        );
    }
}
