//! What only the embedded engine can do.

use crate::bench::{self, shell};
use crate::tree::{directory, file};

const MANY: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_layers_are_stacked_where_the_kernel_can() {
    bench::on("embedded", "hundreds_of_layers", async |bench| {
        let mut top = bench.system().await;
        for number in 0..MANY {
            let items = [
                directory("layers"),
                file(&format!("layers/{number}"), ""),
                file("topmost", number.to_string()),
            ];
            top = bench.layer(Some(top), items).await.unwrap();
        }
        let spec = shell(top, "set /layers/*; echo $#; cat /topmost");
        match bench.engine.start(&spec).await {
            Ok(container) => {
                container.remove().await.unwrap();
                assert_eq!(bench.run(&spec).await.1, ["300", "299"]);
            }
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains("301 layers are more than Linux can stack before 6.8"),
                    "{error}"
                );
            }
        }
    })
    .await;
}
