//! `#[app::main]` on every `main` that Rust has. None is run here: they would read this program's arguments.
#![allow(dead_code, reason = "none is run here")]

macro_rules! mains {
    ($($name:ident: { $($item:tt)* })*) => {
        $(mod $name {
            use image_runtime::app;
            $($item)*
        })*
    };
}

mains! {
    plain: {
        /// With docs.
        #[app::main]
        fn main() {}
    }
    without_a_body: {
        #[app::main]
        fn main();
    }
    public: {
        #[app::main]
        pub fn main() -> anyhow::Result<()> {
            Ok(())
        }
    }
    asynchronous: {
        #[app::main(cli = false)]
        async fn main() -> Result<(), String> {
            std::future::ready(Err(String::new())).await
        }
    }
    with_an_exit_code: {
        #[app::main()]
        #[inline]
        fn main() -> std::process::ExitCode {
            std::process::ExitCode::from(3)
        }
    }
    with_any_termination: {
        #[app::main(cli = true)]
        #[expect(unreachable_code, reason = "lints of the user reach the body")]
        async fn main() -> impl std::process::Termination {
            if true {
                return;
            }
            std::future::ready(()).await;
            return;
            std::thread::yield_now();
        }
    }
}
