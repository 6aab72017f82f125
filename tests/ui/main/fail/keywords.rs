use image_runtime::app;

mod unknown {
    #[super::app::main(clii = false)]
    fn main() {}
}

mod wrong_type {
    #[super::app::main(cli = "no")]
    fn main() {}
}

mod no_keyword {
    #[super::app::main(false)]
    fn main() {}
}

fn main() {}
