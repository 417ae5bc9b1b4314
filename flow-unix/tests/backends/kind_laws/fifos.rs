//! FIFOs and packet-mode pipes: who comes first, who comes too late, and where one message ends.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use flow_core::{Bytes, Chunks};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

use super::kinds::{Fifo, Near};
use super::lies::Lie;
use super::singles::Single;
use super::steps::{closed, finish, gather, joined, park, same, to_the_end, woken};
use crate::support::backend::FlowExt as _;
use crate::support::{pattern, put, run, settle, status};

pub(crate) const SINGLES: &[Single] = &[
    Single {
        name: "fifo::before_the_first_writer_a_read_waits",
        run: before_the_first_writer,
        broken: &[Lie::EndsEarly],
    },
    Single {
        name: "fifo::second_writer_after_the_end_is_too_late",
        run: second_writer,
        broken: &[Lie::EndIsNotFinal],
    },
    Single {
        name: "fifo::writers_gone_before_connect_leave_bytes_and_an_end",
        run: writers_gone,
        broken: &[Lie::EndIsNotFinal, Lie::ReadsNothing],
    },
    Single {
        name: "fifo::reader_gone_before_connect_is_closed",
        run: reader_gone,
        broken: &[Lie::WritesNowhere, Lie::RaisesSigpipe],
    },
    Single {
        name: "fifo::reader_that_comes_after_connect_is_served",
        run: reader_comes,
        broken: &[Lie::ForgetsHalf],
    },
    Single {
        name: "fifo::open_in_both_directions_reads_what_it_writes",
        run: both,
        broken: &[Lie::ForgetsHalf],
    },
    Single {
        name: "packets::reads_keep_their_boundaries_and_lose_nothing",
        run: packets_read,
        broken: &[Lie::LosesBytes],
    },
    Single {
        name: "packets::each_write_is_a_packet",
        run: packets_written,
        broken: &[Lie::ForgetsHalf],
    },
];

fn before_the_first_writer() {
    for nonblocking in [false, true] {
        run(async {
            let fifo = Fifo::new();
            let near = fifo.open(OFlags::RDONLY | OFlags::NONBLOCK);
            super::kinds::set_nonblocking(&near, nonblocking);
            let flow = Near::One(near).connect();
            let mut read = flow.read();
            let reader = park(&mut read);
            let mut close = flow.close();
            let closer = park(&mut close);
            settle().await;
            assert_eq!((reader.get(), closer.get()), (0, 0));
            let writer = fifo.open(OFlags::WRONLY);
            settle().await;
            put(File::from(writer.try_clone().unwrap()), b"first");
            woken(&reader).await;
            same(&finish(&mut read).await.unwrap().unwrap(), b"first");
            drop(writer);
            finish(&mut close).await.unwrap();
            assert_eq!(to_the_end(&flow).await, b"");
        });
    }
}

fn second_writer() {
    run(async {
        let fifo = Fifo::new();
        let (reader, writer) = fifo.ends();
        let flow = Near::One(reader).connect();
        drop(writer);
        assert_eq!(to_the_end(&flow).await, b"");
        let second = fifo.open(OFlags::WRONLY);
        put(File::from(second), b"too late");
        assert_eq!(to_the_end(&flow).await, b"");
        finish(&mut flow.close()).await.unwrap();
    });
}

fn writers_gone() {
    for data in [&b"early"[..], b""] {
        run(async {
            let fifo = Fifo::new();
            let (reader, writer) = fifo.ends();
            put(File::from(writer), data);
            let flow = Near::One(reader).connect();
            same(&to_the_end(&flow).await, data);
            finish(&mut flow.close()).await.unwrap();
        });
    }
}

fn reader_gone() {
    run(async {
        let fifo = Fifo::new();
        let (reader, writer) = fifo.ends();
        let kept = writer.try_clone().unwrap();
        let before = status(std::os::fd::AsFd::as_fd(&kept));
        drop(reader);
        let flow = Near::One(writer).connect();
        closed(finish(&mut flow.write("x")).await);
        closed(finish(&mut flow.writev(vec![pattern(5000); 20])).await);
        assert_eq!(status(std::os::fd::AsFd::as_fd(&kept)), before);
        drop(flow);
    });
}

fn reader_comes() {
    run(async {
        let fifo = Fifo::new();
        let (reader, writer) = fifo.ends();
        drop(reader);
        let flow = Near::One(writer).connect();
        let mut reader = File::from(fifo.open(OFlags::RDONLY | OFlags::NONBLOCK));
        super::kinds::set_nonblocking(&reader, false);
        // More than there is room for: the open file is as it was found, which is blocking.
        let data = pattern(200_000);
        let mut write = flow.write(data.clone());
        park(&mut write);
        let receiving = std::thread::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            got
        });
        finish(&mut write).await.unwrap();
        finish(&mut flow.close()).await.unwrap();
        same(&joined("the end", receiving).await, &data);
    });
}

fn both() {
    run(async {
        let fifo = Fifo::new();
        let flow = Near::One(fifo.open(OFlags::RDWR)).connect();
        let mut read = flow.read();
        let reader = park(&mut read);
        finish(&mut flow.write("to itself")).await.unwrap();
        woken(&reader).await;
        same(&finish(&mut read).await.unwrap().unwrap(), b"to itself");
        park(&mut flow.read());
        finish(&mut flow.close()).await.unwrap();
    });
}

/// A pipe, and a FIFO that was told to be one of packets.
fn packet_pipes() -> [(OwnedFd, OwnedFd); 2] {
    let pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).unwrap();
    let fifo = Fifo::new();
    let (reader, writer) = fifo.ends();
    for fd in [&reader, &writer] {
        fcntl_setfl(fd, OFlags::DIRECT).unwrap();
    }
    [pipe, (reader, writer)]
}

/// Up to the longest packet that there can be.
const PACKETS: [usize; 6] = [1, 7, 100, 4095, 4096, 2];

fn packets_read() {
    for (reader, writer) in packet_pipes() {
        run(async {
            let flow = Near::One(reader).connect();
            let writer = File::from(writer);
            for _ in 0..3 {
                for len in PACKETS {
                    put(&writer, &pattern(len));
                }
                for len in PACKETS {
                    same(
                        &finish(&mut flow.read()).await.unwrap().unwrap(),
                        &pattern(len),
                    );
                }
                // After a long run reads ask for more.
                let long = pattern(10 * 4096);
                put(&writer, &long);
                same(&gather(&flow, long.len()).await, &long);
            }
            drop(writer);
            assert_eq!(to_the_end(&flow).await, b"");
        });
    }
}

fn packets_written() {
    for (reader, writer) in packet_pipes() {
        run(async {
            let flow = Near::One(writer).connect();
            for len in PACKETS {
                finish(&mut flow.write(pattern(len))).await.unwrap();
            }
            // Of several buffers as well, be they copied together or listed.
            let lists: [&[usize]; 4] = [&[1, 7, 100], &[1000; 3], &[300; 13], &[200; 20]];
            for list in lists {
                let buffers = list.iter().scan(pattern(4096), |rest, &len| {
                    Some(Bytes::from(rest.drain(..len).collect::<Vec<_>>()))
                });
                let chunks: Chunks = buffers.collect();
                finish(&mut flow.write_chunks(chunks)).await.unwrap();
            }
            let whole = lists.map(|list| list.iter().sum());
            let mut reader = File::from(reader);
            for len in PACKETS.into_iter().chain(whole) {
                let mut packet = [0; 8192];
                let got = reader.read(&mut packet).unwrap();
                same(&packet[..got], &pattern(len));
            }
        });
    }
}
