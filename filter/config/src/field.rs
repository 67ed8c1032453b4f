/// The name of a setting and, with the feature `describe`, what it is for. Made by [`field!`](crate::field!).
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub(crate) name: &'static str,
    #[cfg(feature = "describe")]
    pub(crate) about: &'static str,
}

impl Field {
    /// A setting and what it is for.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        #[cfg(not(feature = "describe"))]
        let _ = about;
        Self {
            name,
            #[cfg(feature = "describe")]
            about,
        }
    }
}

/// A setting that no description speaks of.
impl From<&'static str> for Field {
    fn from(name: &'static str) -> Self {
        Self::new(name, "")
    }
}

/// `field!("wait", "How long …")`: a setting's name and what it is for. Markdown; one or two sentences.
#[cfg(feature = "describe")]
#[macro_export]
macro_rules! field {
    ($name:literal, $about:expr) => {
        $crate::Field::new($name, $about)
    };
}

/// `field!("wait", "How long …")`: a setting's name and what it is for. The text is not compiled in without the
/// feature `describe`.
#[cfg(not(feature = "describe"))]
#[macro_export]
macro_rules! field {
    ($name:literal, $about:expr) => {
        $crate::Field::new($name, "")
    };
}
