//! Certificates that are replaced while streams are open.

use super::{POLL, Reader, Sender, Tally, block_on, channel, logs};
use crate::certificates::{Authority, DOPPLER, table};
use crate::process::Server;
use hydrant_rpc::tls::ClientTls;
use std::net::SocketAddr;
use tokio::net::TcpStream;

#[test]
fn streams_outlive_their_certificates() {
    let (authority, next) = (Authority::new(), Authority::new());
    let files = authority.files(DOPPLER);
    let server = Server::start(&table("grpc.tls", &files));
    let (old, new) = (authority.client(), next.client());
    block_on(async {
        let connection = channel(server.grpc, Some(&old)).await;
        let mut reader = Reader::open(connection.clone(), &logs("", "")).await;
        let sender = Sender::open(connection);
        let mut tally = Tally::new(3_000);
        let first = shown(server.grpc, &old).await.unwrap();

        // The same authority, and a signal at the worst moment: one file is new and one is not.
        authority.replace(&files, DOPPLER, || server.signal("HUP"));
        pass(&sender, &mut reader, &mut tally).await;
        server.signal("HUP");
        let second = another(server.grpc, &old, &first).await;
        pass(&sender, &mut reader, &mut tally).await;

        // Another authority, and no signal.
        shown(server.grpc, &new).await.unwrap_err();
        next.replace(&files, DOPPLER, || ());
        let third = another(server.grpc, &new, &second).await;
        assert_ne!(third, first);
        shown(server.grpc, &old).await.unwrap_err();
        pass(&sender, &mut reader, &mut tally).await;
        tally.assert_each_once(0..3_000);
        assert_eq!(sender.end().await.message(), "EOF");
        // Who is new comes in with the new authority's certificate only.
        let mut later = Reader::open(channel(server.grpc, Some(&new)).await, &logs("", "")).await;
        let sender = Sender::open(channel(server.grpc, Some(&new)).await);
        sender.send_numbers("a", 0..1).await;
        assert_eq!(later.read().await, Some(vec![0]));
    });
    server.stop();
}

/// A thousand more go through the open streams.
async fn pass(sender: &Sender, reader: &mut Reader, tally: &mut Tally) {
    let start = tally.count;
    sender.send_numbers("a", start..start + 1_000).await;
    reader.read_into(tally, 1_000).await;
}

/// Waits until new connections are shown another certificate.
async fn another(server: SocketAddr, tls: &ClientTls, before: &[u8]) -> Vec<u8> {
    loop {
        match shown(server, tls).await {
            Ok(certificate) if certificate != before => return certificate,
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

/// The certificate that a new connection is shown, if each takes the other's.
async fn shown(server: SocketAddr, tls: &ClientTls) -> Result<Vec<u8>, std::io::Error> {
    let tcp = TcpStream::connect(server).await?;
    let name = tls.server_name().clone();
    let stream = tls.connector().connect(name, tcp).await?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    Ok(certificates[0].as_ref().to_vec())
}
