//! The macros as a user meets them: `<macro>/pass.rs` is compiled here, under all lints, and looked at while running;
//! `<macro>/fail/*.rs` must fail to compile with exactly the text beside it.
#![forbid(unsafe_code)]

#[path = "class/pass.rs"]
mod class;
#[path = "config/pass.rs"]
mod config;
#[path = "function/pass.rs"]
mod function;
#[path = "image/pass.rs"]
mod image;
#[path = "main/pass.rs"]
mod main_function;
#[path = "python/pass.rs"]
mod python;
mod shadows;
#[path = "test/pass.rs"]
mod test;

#[test]
fn every_mistake_gets_the_message_that_is_written_down() {
    let cases = trybuild::TestCases::new();
    for folder in [
        "class", "config", "function", "image", "main", "python", "test",
    ] {
        cases.compile_fail(format!("ui/{folder}/fail/*.rs"));
    }
}
