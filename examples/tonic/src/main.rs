//! A tonic server: gRPC outcomes are counted, gRPC replies are never touched.
//!
//! ```text
//! cargo run -p example-tonic
//! grpcurl -plaintext 127.0.0.1:3000 grpc.health.v1.Health/Check
//! ```

use status_normalize::StatusNormalize;
use tonic::transport::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (_reporter, health) = tonic_health::server::health_reporter();
    Server::builder().layer(StatusNormalize).add_service(health).serve("127.0.0.1:3000".parse()?).await?;
    Ok(())
}
