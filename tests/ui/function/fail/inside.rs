use image_runtime::app;

struct Owner;

impl Owner {
    #[app::function]
    fn method(&self, _value: u8) -> Self {
        Self
    }

    #[app::function]
    fn typed(self: &Self) {}

    #[app::function(timeout = "5m")]
    pub(crate) async fn make() -> Self {
        Owner
    }

    #[app::function]
    fn takes(_owners: Vec<Self>) {}

    #[app::function]
    fn calls() {
        Self::helped();
    }

    fn helped() {}
}

#[app::function]
fn has_one_inside() {
    struct Inner;
    impl Inner {
        fn new() -> Self {
            Self
        }
    }
    let _ = Inner::new();
}

#[app::function]
fn hands_one_to_a_macro() -> bool {
    let text = stringify!(Self);
    text.is_empty()
}

fn main() {
    let _ = Owner.method(1);
    Owner::calls();
}
