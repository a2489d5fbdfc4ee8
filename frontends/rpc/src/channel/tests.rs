use super::*;
use crate::egress::{Egress, EgressClient, EgressServer};
use crate::tls::tests::rig::{Authority, Directory};
use crate::tls::{ServerTls, TlsFiles};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

fn without_alpn(files: &TlsFiles) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(&files.cert_file).unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key_file).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

/// Answers with what it was asked.
struct Echo;

type Answers = BoxStream<'static, Result<Bytes, Status>>;

#[tonic::async_trait]
impl Egress for Echo {
    type ReceiverStream = Answers;
    type BatchedReceiverStream = Answers;

    async fn receiver(&self, request: Request<Bytes>) -> Result<Response<Answers>, Status> {
        let answer = stream::iter([Ok(request.into_inner())]);
        Ok(Response::new(answer.boxed()))
    }

    async fn batched_receiver(&self, request: Request<Bytes>) -> Result<Response<Answers>, Status> {
        self.receiver(request).await
    }
}

/// Serves under TLS or plaintext; gives the address.
async fn serve(tls: Option<ServerTls>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    serve_at(listener, tls);
    address
}

fn serve_at(listener: TcpListener, tls: Option<ServerTls>) {
    let router = Server::builder().add_service(EgressServer::new(Echo));
    let arriving = stream::unfold(listener, |listener| async {
        Some((listener.accept().await.map(|(tcp, _)| tcp), listener))
    });
    match tls {
        None => tokio::spawn(router.serve_with_incoming(arriving)),
        Some(tls) => {
            let secured = arriving.then(move |tcp| {
                let acceptor = tls.acceptor();
                async move { acceptor.accept(tcp?).await }
            });
            tokio::spawn(router.serve_with_incoming(secured))
        }
    };
}

async fn ask(channel: Channel) -> Result<Bytes, Status> {
    let mut client = EgressClient::new(channel);
    let mut answers = client
        .batched_receiver(Bytes::from_static(b"hello"))
        .await?
        .into_inner();
    Ok(answers.message().await?.unwrap())
}

#[tokio::test]
async fn a_call_goes_through_in_plaintext() {
    let address = serve(None).await;
    assert_eq!(ask(channel(&address, None)).await.unwrap(), "hello");
    let connected = connect(&address, None).await.unwrap();
    assert_eq!(ask(connected).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_call_goes_through_under_tls() {
    let directory = Directory::new();
    let files = Authority::new("ca").files(&directory, "doppler");
    let address = serve(Some(ServerTls::load(&files).unwrap())).await;
    let tls = ClientTls::load(&files, "doppler").unwrap();
    assert_eq!(ask(channel(&address, Some(&tls))).await.unwrap(), "hello");
    let connected = connect(&address, Some(&tls)).await.unwrap();
    assert_eq!(ask(connected).await.unwrap(), "hello");

    let wrong = ClientTls::load(&files, "metron").unwrap();
    let error = ask(channel(&address, Some(&wrong))).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    connect(&address, Some(&wrong)).await.unwrap_err();
}

#[tokio::test]
async fn a_server_that_does_not_speak_of_http_2_is_refused() {
    let directory = Directory::new();
    let files = Authority::new("ca").files(&directory, "doppler");
    let client = ClientTls::load(&files, "doppler").unwrap();
    let silent = TlsAcceptor::from(Arc::new(without_alpn(&files)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let accept = async { silent.accept(listener.accept().await.unwrap().0).await };
    let (accepted, connected) = tokio::join!(accept, transport(&address, Some(client)));
    accepted.unwrap();
    let error = connected.map(drop).unwrap_err().to_string();
    assert!(error.contains("HTTP/2"), "{error}");
}

#[tokio::test]
async fn a_channel_outlives_its_server() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let lazy = channel(&address, None);
    let error = ask(lazy.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    serve_at(socket.listen(16).unwrap(), None);
    assert_eq!(ask(lazy).await.unwrap(), "hello");
}

#[tokio::test]
async fn an_address_that_is_none_fails_like_any_other() {
    for address in ["", "no port", "127.0.0.1:99999", "[::1", "a b:1"] {
        let error = ask(channel(address, None)).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{address}");
        connect(address, None).await.unwrap_err();
    }
}
