//! Generates stubs of Loggregator's gRPC services whose messages are raw bytes: what passes through
//! is not decoded. The services are those of `proto/protos`.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    let service = |package: &str, name: &str, methods: Vec<Method>| {
        let builder = Service::builder().package(package).name(name);
        methods
            .into_iter()
            .fold(builder, |builder, method| builder.method(method))
            .build()
    };
    Builder::new().compile(&[
        service(
            "plumbing",
            "Doppler",
            vec![
                method("subscribe", "Subscribe").server_streaming().build(),
                method("batch_subscribe", "BatchSubscribe")
                    .server_streaming()
                    .build(),
            ],
        ),
        service(
            "plumbing",
            "DopplerIngestor",
            vec![method("pusher", "Pusher").client_streaming().build()],
        ),
        service(
            "loggregator.v2",
            "Ingress",
            vec![
                method("sender", "Sender").client_streaming().build(),
                method("batch_sender", "BatchSender")
                    .client_streaming()
                    .build(),
                method("send", "Send").build(),
            ],
        ),
        service(
            "loggregator.v2",
            "Egress",
            vec![
                method("receiver", "Receiver").server_streaming().build(),
                method("batched_receiver", "BatchedReceiver")
                    .server_streaming()
                    .build(),
            ],
        ),
        service(
            "logcache.v1",
            "Ingress",
            vec![method("send", "Send").build()],
        ),
        service(
            "logcache.v1",
            "Egress",
            vec![
                method("read", "Read").build(),
                method("meta", "Meta").build(),
            ],
        ),
        service(
            "logcache.v1",
            "PromQLQuerier",
            vec![
                method("instant_query", "InstantQuery").build(),
                method("range_query", "RangeQuery").build(),
            ],
        ),
    ]);
}

fn method(name: &str, route: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type("bytes::Bytes")
        .output_type("bytes::Bytes")
        .codec_path("crate::codec::RawCodec")
}
