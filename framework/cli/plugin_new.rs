//! `fovea plugin new`: a plugin that builds at once. The main function is [`main`].
//!
//! Everything that it needs from Fovea comes along (the SDK's sources, or the header), since a user has a program and
//! not a checkout, and so that no version of anything has to match.

use crate::exit::Exit;
use crate::output::print;
use crate::{Failure, Outcome};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Arguments of `fovea plugin new`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its name in experiments, which is that of the folder, too: lower case, digits and hyphens.
    name: String,
    /// What it is for.
    #[arg(long, value_enum)]
    kind: Kind,
    /// What it is written in.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// Where to make the folder; default: here.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Kinds of plugins that a shared library may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Picture -> at most one box.
    Localizer,
    /// Heatmap -> box.
    Extractor,
    /// Boxes or heatmap -> a number and its gradient.
    Loss,
    /// A network, as a graph of layers.
    Model,
}

/// Languages of templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    /// A crate.
    Rust,
    /// A file and a Makefile; C++ takes the same header.
    C,
}

/// A file of this repository.
macro_rules! file {
    ($path:literal) => {
        include_str!(concat!("../abi/", $path))
    };
}

/// Sources of the SDK.
const SDK: [(&str, &str); 14] = [
    ("lib.rs", file!("src/lib.rs")),
    ("call.rs", file!("src/call.rs")),
    ("error.rs", file!("src/error.rs")),
    ("extractor.rs", file!("src/extractor.rs")),
    ("host.rs", file!("src/host.rs")),
    ("library.rs", file!("src/library.rs")),
    ("localizer.rs", file!("src/localizer.rs")),
    ("loss.rs", file!("src/loss.rs")),
    ("model.rs", file!("src/model.rs")),
    ("panics.rs", file!("src/panics.rs")),
    ("plugin.rs", file!("src/plugin.rs")),
    ("raw.rs", file!("src/raw.rs")),
    ("values.rs", file!("src/values.rs")),
    ("view.rs", file!("src/view.rs")),
];

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Localizer => "localizer",
            Self::Extractor => "extractor",
            Self::Loss => "loss",
            Self::Model => "model",
        }
    }

    fn rust(self) -> &'static str {
        match self {
            Self::Localizer => file!("templates/rust/localizer.rs"),
            Self::Extractor => file!("templates/rust/extractor.rs"),
            Self::Loss => file!("templates/rust/loss.rs"),
            Self::Model => file!("templates/rust/model.rs"),
        }
    }

    fn c(self) -> &'static str {
        match self {
            Self::Localizer => file!("templates/c/localizer.c"),
            Self::Extractor => file!("templates/c/extractor.c"),
            Self::Loss => file!("templates/c/loss.c"),
            Self::Model => file!("templates/c/model.c"),
        }
    }

    /// One line for help, of the plugin in C.
    fn summary(self) -> &'static str {
        match self {
            Self::Localizer => "The middle of the picture.",
            Self::Extractor => "A box of a fixed size around the centre of mass.",
            Self::Loss => "Squared distance of the edges of two boxes.",
            Self::Model => "Two convolutions and a linear layer.",
        }
    }
}

/// What is asked for.
struct Wish<'a> {
    name: &'a str,
    kind: Kind,
    language: Language,
}

impl Wish<'_> {
    /// The name as a crate's library or a C file has it.
    fn identifier(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The name of the type.
    fn type_name(&self) -> String {
        let word = |word: &str| word[..1].to_uppercase() + &word[1..];
        let name: String = self.name.split('-').filter(|w| !w.is_empty()).map(word).collect();
        // A type such as `Model` would hide the trait.
        if ["Localizer", "Extractor", "Loss", "Model", "Config", "Plugin"].contains(&name.as_str()) {
            format!("My{name}")
        } else {
            name
        }
    }

    fn fill(&self, template: &str) -> String {
        template
            .replace("@FLAG@", &format!("FOVEA_{}", self.kind.word().to_uppercase()))
            .replace("@SUMMARY@", self.kind.summary())
            .replace("@NAME@", self.name)
            .replace("@IDENT@", &self.identifier())
            .replace("@TYPE@", &self.type_name())
            .replace("@KIND@", self.kind.word())
            .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
    }

    /// Files of the folder, with what is in them.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let file = |path: &str, template: &str| (PathBuf::from(path), self.fill(template));
        match self.language {
            Language::Rust => {
                let mut files = vec![
                    file("Cargo.toml", file!("templates/rust/Cargo.toml.in")),
                    file("README.md", file!("templates/rust/README.md")),
                    file("src/lib.rs", self.kind.rust()),
                    file(".gitignore", "/target\n"),
                    file("fovea-abi/Cargo.toml", file!("templates/rust/fovea-abi.toml.in")),
                ];
                for (name, text) in SDK {
                    // Its tests stay at home.
                    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
                    let path = Path::new("fovea-abi/src").join(name);
                    files.push((path, format!("{}\n", text.trim_end())));
                }
                files.push(("fovea-abi/LICENSE-MIT".into(), include_str!("../../LICENSE-MIT").to_owned()));
                files
            }
            Language::C => {
                let source = format!("{}{}", self.kind.c(), file!("templates/c/library.c"));
                vec![
                    file("Makefile", file!("templates/c/Makefile")),
                    file("README.md", file!("templates/c/README.md")),
                    file(&format!("{}.c", self.identifier()), &source),
                    file(".gitignore", "*.so\n"),
                    (PathBuf::from("fovea_plugin.h"), file!("include/fovea_plugin.h").to_owned()),
                ]
            }
        }
    }

    /// Where the library is after the build, within the folder.
    fn library(&self) -> String {
        let file = format!("lib{}.so", self.identifier());
        if self.language == Language::Rust { format!("target/release/{file}") } else { file }
    }
}

/// Makes the folder of a new plugin.
pub(crate) fn main(args: &Args) -> Outcome {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !args.name.starts_with(|c: char| c.is_ascii_lowercase()) || !args.name.chars().all(good) {
        let message = format!("`{}` is no name for a plugin: lower case, digits and hyphens", args.name);
        return Err(Failure::new(Exit::Usage, message));
    }
    let wish = Wish { name: &args.name, kind: args.kind, language: args.lang };
    let folder = args.dir.clone().unwrap_or_default().join(&args.name);
    if folder.exists() {
        let message = format!("{} is there already; choose another name or --dir", folder.display());
        return Err(Failure::new(Exit::Files, message));
    }
    for (path, text) in wish.files() {
        write(&folder.join(path), &text)?;
    }
    print(&next(&wish, &folder));
    Ok(Exit::Success)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|e| Failure::new(Exit::Files, format!("{} cannot be written: {e}", path.display())))
}

/// What to do now.
fn next(wish: &Wish<'_>, folder: &Path) -> String {
    let (folder, kind, name, library) = (folder.display(), wish.kind.word(), wish.name, wish.library());
    let (language, source, build) = match wish.language {
        Language::Rust => ("Rust", "src/lib.rs".to_owned(), "cargo build --release"),
        Language::C => ("C", format!("{}.c", wish.identifier()), "make"),
    };
    let mut text = format!("{folder}: a {kind} in {language}; the code is in {source}\n\n");
    let _ = write!(
        text,
        "  cd {folder} && {build}\n  fovea plugin check {library}\n\n\
         In an experiment, with paths from its file on:\n\n\
         \x20 [plugins]\n  paths = [\"{folder}/{library}\"]\n\n  [{kind}]\n  name = \"{name}\"\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn the_sdk_is_complete() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/framework/abi/src");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".rs"))
            .collect();
        let mut ours: Vec<String> = SDK.iter().map(|(name, _)| (*name).to_owned()).collect();
        there.sort();
        ours.sort();
        assert_eq!(ours, there);
    }

    #[test]
    fn versions_are_those_of_the_workspace() {
        let workspace = include_str!("../../Cargo.toml");
        let template = file!("templates/rust/fovea-abi.toml.in");
        let dependencies = template.split("[dependencies]\n").nth(1).unwrap();
        for line in dependencies.lines() {
            assert!(workspace.lines().any(|l| l == line), "`{line}` is not in the workspace's Cargo.toml");
        }
        let crate_itself = file!("Cargo.toml");
        assert_eq!(dependencies.lines().count(), crate_itself.matches(".workspace = true\n").count() - 5);
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for kind in Kind::value_variants() {
            for language in Language::value_variants() {
                let wish = Wish { name: "my-2nd-loss", kind: *kind, language: *language };
                assert_eq!(
                    (wish.identifier().as_str(), wish.type_name().as_str()),
                    ("my_2nd_loss", "My2ndLoss")
                );
                for (path, text) in wish.files() {
                    let left = ["@FLAG@", "@SUMMARY@", "@NAME@", "@IDENT@", "@TYPE@", "@KIND@", "@VERSION@"];
                    assert!(!left.iter().any(|l| text.contains(l)), "{}", path.display());
                }
            }
        }
        let wish = Wish { name: "model", kind: Kind::Model, language: Language::Rust };
        assert_eq!(wish.type_name(), "MyModel");
    }
}
