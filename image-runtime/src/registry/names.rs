//! What people call an image: the const that a function or another image names, with its module path where two share
//! a name, or its place where nothing names it.

use std::collections::{BTreeSet, HashMap};

use crate::spec::{Image, ImageRef};

/// The names of all images that something names.
#[derive(Debug, Default)]
pub struct Names(HashMap<Image, String>);

impl Names {
    /// Names from every mention of an image by path, and those known otherwise.
    pub fn of(
        mentions: impl IntoIterator<Item = ImageRef>,
        known: impl IntoIterator<Item = (Image, &'static str)>,
    ) -> Self {
        let mut paths: HashMap<Image, String> = HashMap::new();
        for mention in mentions {
            let name = mention
                .path
                .rsplit("::")
                .next()
                .unwrap_or(mention.path)
                .to_owned();
            // Two mentions under two names (`use ML as OTHER`): the smaller name, so that the order does not matter.
            paths
                .entry(mention.image)
                .and_modify(|known| {
                    if name < *known {
                        known.clone_from(&name);
                    }
                })
                .or_insert(name);
        }
        for (image, name) in known {
            paths.insert(image, name.to_owned());
        }
        let mut seen = BTreeSet::new();
        let shared: BTreeSet<String> = paths
            .values()
            .filter(|name| !seen.insert(*name))
            .cloned()
            .collect();
        Self(
            paths
                .into_iter()
                .map(|(image, name)| {
                    let full = if shared.contains(&name) {
                        format!("{}::{name}", image.spec().place.module)
                    } else {
                        name
                    };
                    (image, full)
                })
                .collect(),
        )
    }

    /// The name of an image.
    pub fn name(&self, image: Image) -> String {
        self.0
            .get(&image)
            .cloned()
            .unwrap_or_else(|| image.spec().place.to_string())
    }
}
