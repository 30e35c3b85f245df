//! How fast a link may be: a token bucket on the side that sends. Pure: a rate in, a request out.

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};
use nix::errno::Errno;

use super::socket::Request;

const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
/// With it the kernel counts by itself and wants no table (Linux 3.8).
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// What may be sent at once: that of 10 ms, and not less than the largest packet before it is cut into frames.
const BURST: u64 = 100;
const LEAST_BURST: u64 = 64 << 10;
/// What may wait: that of 50 ms; a longer queue makes everything late, a shorter one costs TCP its rate.
const WAIT: u64 = 20;
const HANDLE: TcHandle = TcHandle { major: 1, minor: 0 };

/// At most so many bytes a second are sent on the link.
pub fn limit(name: &str, index: u32, rate: u64) -> Request {
    let burst = (rate / BURST).clamp(LEAST_BURST, u64::from(u32::MAX) / 2);
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = TcHandle::ROOT;
    message.header.handle = HANDLE;
    let option = |kind: u16, value: Vec<u8>| TcOption::Other(DefaultNla::new(kind, value));
    message.attributes = vec![
        TcAttribute::Kind("tbf".to_owned()),
        TcAttribute::Options(vec![
            option(TCA_TBF_PARMS, parameters(rate, burst + rate / WAIT)),
            option(TCA_TBF_RATE64, rate.to_ne_bytes().to_vec()),
            option(TCA_TBF_BURST, clamped(burst).to_ne_bytes().to_vec()),
        ]),
    ];
    Request {
        action: format!("cannot limit the rate of {name} (has the kernel sch_tbf?)"),
        message: RouteNetlinkMessage::NewQueueDiscipline(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
        tolerated: None,
    }
}

/// No longer limited, if it was so by [`limit`]: where it was not, the kernel calls the handle invalid.
pub fn unlimit(name: &str, index: u32) -> Request {
    let mut message = TcMessage::with_index(index.cast_signed());
    message.header.parent = TcHandle::ROOT;
    message.header.handle = HANDLE;
    Request {
        action: format!("cannot lift the limit of {name}"),
        message: RouteNetlinkMessage::DelQueueDiscipline(message),
        flags: 0,
        tolerated: Some(Errno::EINVAL),
    }
}

/// struct tc_tbf_qopt: two struct tc_ratespec, of which the peak's stays empty, limit, buffer and mtu.
fn parameters(rate: u64, limit: u64) -> Vec<u8> {
    let mut bytes = vec![0, TC_LINKLAYER_ETHERNET, 0, 0, 0, 0, 0, 0];
    bytes.extend(clamped(rate).to_ne_bytes());
    bytes.extend([0; 12]);
    bytes.extend(clamped(limit).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes
}

fn clamped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
