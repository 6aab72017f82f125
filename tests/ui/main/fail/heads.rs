use image_runtime::app;

mod parameters {
    #[super::app::main]
    fn main(arguments: Vec<String>) {}
}

mod generic {
    #[super::app::main]
    fn main<T>() {}
}

mod without_safety {
    #[super::app::main]
    unsafe fn main() {}
}

mod name {
    #[super::app::main]
    fn start() {}
}

mod item {
    #[super::app::main]
    struct Main;
}

mod twice {
    #[super::app::main]
    #[tokio::main]
    async fn main() {}
}

fn main() {}
