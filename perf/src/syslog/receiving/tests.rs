use super::*;
use crate::flow::bare::{Bare, Out};
use crate::flow::batches::ReadyBatches;
use crate::flow::sending::{Load, send};
use crate::flow::wire::write_all;
use crate::samples::app_guid;
use hydrant_rpc::channel::connect;
use std::io::Write;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

fn line(app: usize) -> String {
    let guid = app_guid(app);
    let line = format!(
        "<14>1 2023-11-14T22:13:20+00:00 - {guid} [APP/PROC/WEB/0] - [tags@47450 a=\"\"] x\n"
    );
    format!("{} {line}", line.len())
}

async fn until(what: impl Fn() -> bool) {
    let come = async {
        while !what() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(60), come).await.unwrap();
}

#[test]
fn what_is_sent_over_grpc_is_counted_to_one_line() {
    let receivers = Receivers::new(0, 0).unwrap();
    let drain = receivers.drains.address(Health::Healthy);
    let batches = ReadyBatches::new(100, 250, 1000).unwrap();
    let load = Load::new(batches, 1, None, None);
    let received = Count::default();
    runtime().block_on(async {
        let [reader] = <[Reader; 1]>::try_from(receivers.accept().unwrap()).unwrap();
        let reading = tokio::spawn(reader.count(received.clone()));
        let bare = Bare::start(None, Out::Syslog(drain)).unwrap();
        let channel = connect(&bare.address().to_string(), None).await.unwrap();
        let sending = tokio::spawn(send(channel, load.clone(), 0));
        until(|| received.get() >= 10_000).await;
        load.stop();
        sending.await.unwrap().unwrap();
        let stopping = std::thread::spawn(move || bare.stop());
        receivers.close().unwrap();
        reading.await.unwrap().unwrap();
        stopping.join().unwrap().unwrap();
    });
    assert_eq!(received.get(), load.sent());
    assert_eq!(receivers.found().unwrap(), 0);
}

#[test]
fn connections_go_to_the_readers_of_their_apps() {
    // Apps 1 and 3 are not healthy.
    let receivers = Receivers::new(4, 2).unwrap();
    let drain = receivers.drains.address(Health::Healthy);
    let counts = [Count::default(), Count::default()];
    runtime().block_on(async {
        let readers = receivers.accept().unwrap();
        assert_eq!(readers.len(), counts.len());
        let tasks: Vec<_> = readers
            .into_iter()
            .zip(&counts)
            .map(|(reader, count)| tokio::spawn(reader.count(count.clone())))
            .collect();
        for text in [line(2), line(0), line(2).repeat(3)] {
            let stream = TcpStream::connect(drain).await.unwrap();
            write_all(&stream, text.as_bytes()).await.unwrap();
        }
        until(|| counts[0].get() + counts[1].get() == 5).await;
        receivers.close().unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
    assert_eq!(counts.map(|count| count.get()), [1, 4]);
}

#[test]
fn lines_in_the_wrong_place_are_an_error() {
    for (text, expected) in [
        (line(1), "lines of app 1, whose drain is elsewhere"),
        ("5 hello".to_owned(), "no log of an app"),
        ("12".to_owned(), "ended within a line"),
    ] {
        let receivers = Receivers::new(2, 1).unwrap();
        let drain = receivers.drains.address(Health::Healthy);
        runtime().block_on(async {
            receivers.accept().unwrap();
            let stream = TcpStream::connect(drain).await.unwrap();
            write_all(&stream, text.as_bytes()).await.unwrap();
            drop(stream);
            until(|| receivers.failure.lock().unwrap().is_some()).await;
        });
        let error = receivers.close().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_dead_refuse_and_black_holes_keep_what_they_are_given() {
    let receivers = Receivers::new(2, 2).unwrap();
    let dead = receivers.drains.address(Health::Dead);
    let refused = Stream::connect(dead).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let black_hole = receivers.drains.address(Health::BlackHole);
    let write = |text: String| {
        let mut stream = Stream::connect(black_hole).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
    };
    write(line(1).repeat(3) + "200 <14>1 cut");
    write(line(0));
    assert_eq!(receivers.found().unwrap(), 4);
    write(line(0) + &line(1).repeat(64));
    assert!(
        receivers
            .found()
            .unwrap_err()
            .to_string()
            .contains("another app")
    );
}
