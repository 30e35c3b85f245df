//! How fast links may send, as the kernel has it: the token bucket at a link's root, which is what soute puts there.

use std::collections::BTreeMap;

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::TcMessage;

use crate::error::{Context, Result};
use crate::network::socket::{Socket, u32_at};
use crate::network::topology::attributes;

/// Its name, as a link's IFLA_QDISC has it.
pub const KIND: &[u8] = b"tbf\0";
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TC_H_ROOT: u32 = u32::MAX;
/// Of the rate in struct tc_tbf_qopt, which begins with a struct tc_ratespec.
const RATE: usize = 8;

/// Bytes a second, by the index of the link; of this network namespace.
pub fn rates(socket: &mut Socket) -> Result<BTreeMap<u32, u64>> {
    let message = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
    let answer = socket.query(message, NLM_F_DUMP).context("cannot list queue disciplines")?;
    Ok(answer.iter().filter_map(|payload| rate(payload)).collect())
}

/// struct tcmsg and the attributes behind it.
fn rate(payload: &[u8]) -> Option<(u32, u64)> {
    let (index, parent) = (u32_at(payload, 4)?, u32_at(payload, 12)?);
    let of = |bytes: Option<&'_ [u8]>, wanted: u16| -> Option<Vec<u8>> {
        attributes(bytes?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value.to_vec())
    };
    let all = payload.get(20..);
    if parent != TC_H_ROOT || of(all, TCA_KIND)? != KIND {
        return None;
    }
    let options = of(all, TCA_OPTIONS)?;
    // Only where it does not fit into the other (Linux 3.13).
    let large = of(Some(&options), TCA_TBF_RATE64).and_then(|value| value.try_into().ok()).map(u64::from_ne_bytes);
    let small = u32_at(&of(Some(&options), TCA_TBF_PARMS)?, RATE)?.into();
    Some((index, large.unwrap_or(small)))
}
