use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::FromRequest as _;
use actix_web::dev;
use actix_web::error::PayloadError;
use actix_web::test::TestRequest;
use futures_util::stream::{self, Stream};

use super::*;

/// A client's frame.
fn frame(first: u8, data: &[u8]) -> Vec<u8> {
    let mask = [7, 1, 200, 3];
    let mut bytes = vec![first];
    match data.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).expect("short")),
        length @ 126..=65_535 => {
            bytes.push(0xfe);
            bytes.extend(u16::try_from(length).expect("short").to_be_bytes());
        }
        length => {
            bytes.push(0xff);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(data.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Frames over pieces that arrive one by one; then the other end stays and says nothing.
fn frames(pieces: Vec<Vec<u8>>) -> Frames {
    let pieces = Rc::new(RefCell::new(VecDeque::from(pieces)));
    let read = stream::poll_fn(move |_| match pieces.borrow_mut().pop_front() {
        Some(piece) => std::task::Poll::Ready(Some(Ok::<Bytes, PayloadError>(piece.into()))),
        None => std::task::Poll::Pending,
    });
    let payload: Pin<Box<dyn Stream<Item = _>>> = Box::pin(read);
    let mut payload = dev::Payload::Stream { payload };
    let payload = Payload::from_request(&TestRequest::default().to_http_request(), &mut payload);
    Frames::of(payload.into_inner().expect("a payload"))
}

/// Every text up to the fault, or until nothing more comes.
async fn read(pieces: Vec<Vec<u8>>) -> (Vec<String>, Option<Code>) {
    let (mut frames, mut texts) = (frames(pieces), Vec::new());
    loop {
        let next = futures_util::poll!(std::pin::pin!(frames.next()));
        match next {
            std::task::Poll::Ready(Ok(Some(Frame::Text(text)))) => texts.push(text),
            std::task::Poll::Ready(Ok(Some(Frame::Ping(_) | Frame::Pong | Frame::Close))) => {}
            std::task::Poll::Ready(Ok(None)) | std::task::Poll::Pending => {
                assert!(
                    !frames.unread.is_empty() || frames.unread.capacity() == 0,
                    "nothing is kept when all is read"
                );
                return (texts, None);
            }
            std::task::Poll::Ready(Err(code)) => return (texts, Some(code)),
        }
    }
}

#[tokio::test]
async fn texts_come_whole_however_they_are_cut_and_put_into_fragments() {
    let long = "ä".repeat(40_000);
    let bytes = [
        frame(0x81, b"one"),
        frame(0x01, "tw\u{f6}".as_bytes().split_at(3).0),
        frame(0x89, b"are you there?"),
        frame(0x00, b""),
        frame(0x80, "tw\u{f6}".as_bytes().split_at(3).1),
        frame(0x81, b""),
        frame(0x81, long.as_bytes()),
    ]
    .concat();
    let expected = ["one", "tw\u{f6}", "", &long];
    for size in [1, 2, 7, 1_000, bytes.len()] {
        let (texts, fault) = read(bytes.chunks(size).map(<[u8]>::to_vec).collect()).await;
        assert!(texts == expected && fault.is_none(), "in pieces of {size}");
    }
}

#[tokio::test]
async fn each_fault_has_its_code_and_what_came_before_it_is_told_first() {
    let unmasked = vec![0x81, 1, b'a'];
    let huge = |first| [vec![first, 0xff], (300_000_u64).to_be_bytes().to_vec()].concat();
    let half = frame(0x01, &vec![b'a'; 200_000]);
    for (bytes, code) in [
        (frame(0x81, b"\xff\xfe"), Code::BadText),
        ([frame(0x01, b"\xc3"), frame(0x80, b"a")].concat(), Code::BadText),
        (frame(0x82, b"a"), Code::BinaryFrame),
        (frame(0x02, b"a"), Code::BinaryFrame),
        (frame(0xc1, b"a"), Code::BadFrame),
        (frame(0x83, b"a"), Code::BadFrame),
        (frame(0x8b, b"a"), Code::BadFrame),
        (unmasked, Code::BadFrame),
        (frame(0x80, b"a"), Code::BadFrame),
        ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), Code::BadFrame),
        (frame(0x09, b"a"), Code::BadFrame),
        (frame(0x89, &[b'a'; 126]), Code::BadFrame),
        (huge(0x81), Code::BodyTooLarge),
        ([half.clone(), frame(0x80, &vec![b'a'; 100_000])].concat(), Code::BodyTooLarge),
        ([vec![0x81, 0xff], vec![0xff; 8]].concat(), Code::BodyTooLarge),
    ] {
        let begin = [frame(0x81, b"before"), bytes].concat();
        let (texts, fault) = read(vec![begin]).await;
        assert_eq!((texts, fault), (vec!["before".to_owned()], Some(code)));
    }
}
