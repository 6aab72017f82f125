//! A registry on this machine, of one image.
