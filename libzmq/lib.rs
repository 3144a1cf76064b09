//! What the build script of zmq-sys calls for a libzmq: it gets the system's, or the build ends.

use pkg_config::{Config, Error};

/// Has those functions of the other crate's `Build` that zmq-sys calls.
pub struct Build;

impl Build {
    pub fn new() -> Self {
        Self
    }

    /// Whether there is CURVE was decided when the system's libzmq was built.
    pub fn with_libsodium(&mut self, _: Option<std::convert::Infallible>) -> &mut Self {
        self
    }

    /// Links the libzmq that pkg-config finds.
    pub fn build(&mut self) {
        if let Err(cause) = Config::new().atleast_version("4.3").probe("libzmq") {
            println!("cargo::error={}", explain(&cause));
        }
    }
}

fn explain(cause: &Error) -> String {
    let target = std::env::var("TARGET").unwrap_or_default();
    match cause {
        Error::Command { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => {
            "cannot look for libzmq: pkg-config is missing; install it (Debian: pkgconf, Fedora: pkgconf-pkg-config)".into()
        }
        Error::CrossCompilation => format!(
            "cannot look for a libzmq for {target}: pkg-config knows those of this machine only; \
             set PKG_CONFIG to one that knows those of {target}"
        ),
        _ => format!(
            "cannot link libzmq for {target}: pkg-config finds none of version 4.3 or newer; \
             install it (Debian: libzmq3-dev, Fedora: zeromq-devel)"
        ),
    }
}
