//! What `benches/profile/rustc` makes of a call of the compiler.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Output},
};

/// As cargo calls the compiler for the program, with the hash that a profile has in its name.
const PROGRAM: &str = "--crate-name status_proxy main.rs --crate-type bin --emit=dep-info,link \
                       -C opt-level=3 -C lto -C metadata=5e1f --cap-lints=warn";

/// The script, in a folder with a name that a shell could cut in two.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("a folder {name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/profile/rustc"), path.join("rustc")).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A call with a compiler that prints its arguments, a line each.
    fn call(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.path("rustc"));
        command.args(["printf", "%s\\n"]).args(arguments.split(' ')).env_remove("PROFILE_INTO");
        command
    }
}

/// What the compiler was given beyond `arguments`, and what was said.
fn added(arguments: &str, mut call: Command) -> (Vec<String>, String) {
    let Output { status, stdout, stderr } = call.output().unwrap();
    assert!(status.success());
    let given: Vec<_> = String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect();
    let asked: Vec<_> = arguments.split(' ').collect();
    assert_eq!(given[..asked.len()], asked);
    (given[asked.len()..].to_vec(), String::from_utf8(stderr).unwrap())
}

#[test]
fn the_program_gets_the_profile_of_its_hash() {
    let folder = Folder::new("with the profile");
    fs::write(folder.path("5e1f.profdata"), "").unwrap();
    let profile = format!("-Cprofile-use={}", folder.path("5e1f.profdata"));
    let (arguments, said) = added(PROGRAM, folder.call(PROGRAM));
    assert_eq!(arguments, [profile, "-Cllvm-args=-no-pgo-warn-mismatch".to_owned()]);
    assert_eq!(said, "");
}

#[test]
fn without_a_profile_that_fits_the_program_is_built_as_ever_and_that_is_said() {
    let folder = Folder::new("with another profile");
    fs::write(folder.path("5e1e.profdata"), "").unwrap();
    let (arguments, said) = added(PROGRAM, folder.call(PROGRAM));
    assert!(arguments.is_empty(), "{arguments:?}");
    assert!(said.starts_with("benches/profile has none for this compiler"), "{said}");
}

#[test]
fn a_program_that_records_is_told_where_to_and_leaves_the_name() {
    let folder = Folder::new("to record");
    fs::write(folder.path("5e1f.profdata"), "").unwrap();
    fs::create_dir(folder.path("in to")).unwrap();
    let mut call = folder.call(PROGRAM);
    call.env("PROFILE_INTO", folder.path("in to"));
    assert_eq!(
        added(PROGRAM, call),
        (vec![format!("-Cprofile-generate={}", folder.path("in to"))], String::new())
    );
    assert_eq!(fs::read_to_string(folder.path("in to/name")).unwrap(), "5e1f.profdata\n");
}

#[test]
fn everything_else_is_compiled_as_ever() {
    let folder = Folder::new("for others");
    fs::write(folder.path("5e1f.profdata"), "").unwrap();
    let others = [
        "-vV".to_owned(),
        PROGRAM.replace("status_proxy", "status_normalize"),
        // A test of the program, its check by clippy, and a build without optimization.
        PROGRAM.replace("--crate-type bin", "--test"),
        PROGRAM.replace("dep-info,link", "dep-info,metadata"),
        PROGRAM.replace("-C opt-level=3 ", ""),
    ];
    for other in others {
        for recording in [false, true] {
            let mut call = folder.call(&other);
            if recording {
                call.env("PROFILE_INTO", folder.path("nowhere"));
            }
            assert_eq!(added(&other, call), (vec![], String::new()), "{other}");
        }
    }
}

#[test]
fn what_cargo_tells_the_compiler_by_its_environment_arrives() {
    let mut call = Command::new(Folder::new("for the environment").path("rustc"));
    // Some shells leave out what would be no name in them.
    let Output { status, stdout, .. } = call.arg("env").env("CARGO_BIN_EXE_a-name", "here").output().unwrap();
    assert!(status.success());
    assert!(String::from_utf8(stdout).unwrap().contains("CARGO_BIN_EXE_a-name=here"));
}

#[test]
fn what_the_compiler_exits_with_arrives() {
    assert_eq!(
        Command::new(Folder::new("for failures").path("rustc")).arg("false").status().unwrap().code(),
        Some(1)
    );
}
