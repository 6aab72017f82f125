//! Functions that ask for a GPU that no machine has.

use image_runtime::{CallErrorKind, app};

use crate::NOTHING;

#[app::function(image = NOTHING, gpu = ["B200-180GB:64", "T4:64"])]
fn on_many() {}

#[app::test]
async fn without_such_a_gpu_a_call_fails_and_says_what_the_machine_has() {
    let error = on_many::remote().await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), CallErrorKind::NoSuchGpu, "{text}");
    for says in [
        "`on_many`",
        "`B200-180GB:64`, else `T4:64`",
        "this machine has",
        "help:",
    ] {
        assert!(text.contains(says), "{text}");
    }
    let results = on_many::starmap([(), ()]).collect().await;
    assert!(results.iter().all(|result| {
        result
            .as_ref()
            .is_err_and(|e| e.kind() == CallErrorKind::NoSuchGpu)
    }));
}
