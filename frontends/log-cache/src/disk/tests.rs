use super::{
    Disk, File, GENERATION_BYTES_MIN, HEAD_BYTES, Had, MAGIC, Partitions, PathBuf, Restored, fs,
    generations, path,
};
use crate::store::{Bounds, Query};
use hydrant_engine::record::KindSet;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Counter, Envelope, EnvelopeBatch, Log};
use prost::Message as _;
use std::sync::atomic::{AtomicU64, Ordering};

const SOURCES: i64 = 7;

/// Removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("hydrant-log-cache-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> Vec<PathBuf> {
        let numbers = generations(&self.0).unwrap().into_iter();
        numbers.map(|number| path(&self.0, number)).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn partitions(count: usize) -> Partitions {
    let bounds = Bounds {
        memory_bytes: 64 << 20,
        count_per_source: 100_000,
    };
    Partitions::new(count, bounds)
}

fn put(partitions: &Partitions, numbers: std::ops::Range<i64>) {
    let envelope = |number: i64| {
        let message = match number % 5 {
            0 => Message::Counter(Counter {
                name: "requests".to_owned(),
                delta: 1,
                total: number.cast_unsigned(),
            }),
            _ => Message::Log(Log {
                payload: format!("line {number} {}", "of a service ".repeat(9)).into(),
                r#type: 0,
            }),
        };
        Envelope {
            timestamp: number,
            source_id: source(number % SOURCES),
            instance_id: (number % 3).to_string(),
            tags: [("job".to_owned(), (number % 11).to_string())].into(),
            message: Some(message),
            ..Default::default()
        }
        .encode_to_vec()
    };
    let envelopes: Vec<_> = numbers.clone().map(envelope).collect();
    let taken = partitions.put(envelopes.iter());
    assert_eq!(i64::try_from(taken.count), Ok(numbers.end - numbers.start));
}

fn source(number: i64) -> String {
    format!("source-{number}")
}

/// Everything of a source, as it is.
fn read(partitions: &Partitions, number: i64) -> Vec<u8> {
    let query = Query {
        start: i64::MIN,
        end: i64::MAX,
        limit: usize::MAX,
        kinds: KindSet::ALL,
        descending: false,
        names: None,
    };
    let mut batch = Vec::new();
    partitions.read(source(number).as_bytes(), &query, &mut batch);
    batch
}

/// Everything, by source.
fn all(partitions: &Partitions) -> Vec<Vec<Envelope>> {
    let decoded = |number| {
        let batch = read(partitions, number);
        EnvelopeBatch::decode(&batch[..]).unwrap().batch
    };
    (0..SOURCES).map(decoded).collect()
}

fn count(partitions: &Partitions) -> usize {
    all(partitions).iter().map(Vec::len).sum()
}

fn restored(directory: &Directory, parts: usize) -> (Partitions, Had, Disk) {
    let (disk, mut had) = Disk::open(&directory.0).unwrap();
    let partitions = partitions(parts);
    partitions.restore(std::mem::take(&mut had.restored));
    (partitions, had, disk)
}

#[test]
fn what_was_written_is_there_again_in_other_parts_too() {
    let directory = Directory::new();
    let before = partitions(2);
    let (mut disk, _) = Disk::open(&directory.0).unwrap();
    // Segments that were written before they were full, after that, or in between.
    for number in 0..20 {
        put(&before, number * 1000..(number + 1) * 1000);
        disk.write(&before).unwrap();
    }
    disk.write(&before).unwrap();
    drop(disk);
    for parts in [2, 1, 3] {
        let (after, had, mut disk) = restored(&directory, parts);
        assert_eq!((had.cut_off, had.restored.damaged()), (0, 0));
        assert_eq!(all(&after), all(&before));
        assert_eq!(after.standing().count, before.standing().count);
        let mut metas = [Vec::new(), Vec::new()];
        for (metas, partitions) in metas.iter_mut().zip([&before, &after]) {
            partitions.meta(|id, meta| metas.push((id.to_vec(), meta)));
            metas.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        }
        assert_eq!(metas[0], metas[1]);
        // What comes is kept beside it, and both are there the next time.
        put(&after, 20_000..20_100);
        put(&before, 20_000..20_100);
        disk.write(&after).unwrap();
        put(&after, 20_100..20_200);
        put(&before, 20_100..20_200);
        disk.write(&after).unwrap();
        drop(disk);
        let (again, _, _disk) = restored(&directory, parts);
        assert_eq!(all(&again), all(&before));
        // The next round starts from what the first one had.
        fs::remove_dir_all(&directory.0).unwrap();
        let (mut disk, _) = Disk::open(&directory.0).unwrap();
        disk.write(&before).unwrap();
    }
}

#[test]
fn a_file_that_ends_anywhere_costs_what_came_last() {
    let directory = Directory::new();
    let before = partitions(1);
    let (mut disk, _) = Disk::open(&directory.0).unwrap();
    put(&before, 0..500);
    disk.write(&before).unwrap();
    let first_bytes = fs::metadata(&directory.files()[0]).unwrap().len();
    put(&before, 500..1000);
    disk.write(&before).unwrap();
    drop(disk);
    let file = directory.files()[0].clone();
    let whole = fs::read(&file).unwrap();
    let first = usize::try_from(first_bytes).unwrap();
    for (length, expected) in [
        (0, 0),
        (7, 0),
        (MAGIC.len(), 0),
        (MAGIC.len() + 3, 0),
        (first - 1, 0),
        (first, 500),
        (first + HEAD_BYTES - 1, 500),
        (whole.len() - 1, 500),
        (whole.len(), 1000),
    ] {
        fs::write(&file, &whole[..length]).unwrap();
        let (after, had, _disk) = restored(&directory, 1);
        assert_eq!(count(&after), expected, "{length} bytes");
        let is_whole = [MAGIC.len(), first, whole.len()].contains(&length);
        assert_eq!(had.cut_off, u64::from(!is_whole), "{length} bytes");
    }
}

#[test]
fn a_wrong_bit_is_noticed_and_panics_nobody() {
    let directory = Directory::new();
    let before = partitions(1);
    let (mut disk, _) = Disk::open(&directory.0).unwrap();
    put(&before, 0..3000);
    disk.write(&before).unwrap();
    drop(disk);
    let file = directory.files()[0].clone();
    let whole = fs::read(&file).unwrap();
    for at in (MAGIC.len()..whole.len()).step_by(whole.len() / 50) {
        let mut wrong = whole.clone();
        wrong[at] ^= 1 << (at % 8);
        fs::write(&file, &wrong).unwrap();
        let (after, had, _disk) = restored(&directory, 1);
        assert_eq!((count(&after), had.cut_off), (0, 1), "byte {at}");
        // Its checksum can be right all the same: somebody has made it so.
        let records = &wrong[MAGIC.len() + HEAD_BYTES..];
        let mut restored = Restored::default();
        restored.read(records);
        let odd = partitions(1);
        odd.restore(restored);
        for number in 0..SOURCES {
            read(&odd, number);
        }
    }
}

#[test]
fn a_new_generation_takes_the_place_of_the_old_one_once_it_is_whole() {
    let directory = Directory::new();
    let before = partitions(1);
    let (mut disk, _) = Disk::open(&directory.0).unwrap();
    put(&before, 0..1000);
    disk.write(&before).unwrap();
    let first = directory.files();
    disk.added_bytes = GENERATION_BYTES_MIN + 1;
    let old = fs::read(&first[0]).unwrap();
    put(&before, 1000..2000);
    disk.write(&before).unwrap();
    drop(disk);
    let second = directory.files();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    assert_eq!(count(&restored(&directory, 1).0), 2000);
    // A crash before the older one was gone, and one before the newer one was whole.
    fs::write(&first[0], &old).unwrap();
    assert_eq!(count(&restored(&directory, 1).0), 2000);
    let new = fs::read(&second[0]).unwrap();
    fs::write(&second[0], &new[..new.len() / 2]).unwrap();
    let (after, had, _disk) = restored(&directory, 1);
    assert_eq!((count(&after), had.cut_off), (1000, 1));
}

#[test]
fn a_directory_is_one_process_own_and_of_one_version() {
    let directory = Directory::new();
    let (disk, _) = Disk::open(&directory.0).unwrap();
    let refused = Disk::open(&directory.0).unwrap_err().to_string();
    assert!(refused.contains("in use"), "{refused}");
    drop(disk);
    fs::write(path(&directory.0, 3), b"something else").unwrap();
    let refused = Disk::open(&directory.0).unwrap_err().to_string();
    assert!(refused.contains("not of this version"), "{refused}");
}

#[test]
fn what_could_not_be_written_is_written_anew() {
    let directory = Directory::new();
    let before = partitions(1);
    let (mut disk, _) = Disk::open(&directory.0).unwrap();
    put(&before, 0..1000);
    disk.write(&before).unwrap();
    put(&before, 1000..2000);
    // A file that takes nothing.
    disk.file = Some(File::open(&directory.files()[0]).unwrap());
    disk.write(&before).unwrap_err();
    assert_eq!(directory.files().len(), 1);
    disk.write(&before).unwrap();
    drop(disk);
    assert_eq!(count(&restored(&directory, 1).0), 2000);
}
