//! The same for each of many, on all CPUs.

use std::thread::{available_parallelism, scope};

/// For fewer a thread is not worth its start.
const EACH: usize = 32;

/// What `each` makes of every one, in their order.
pub fn map<T: Sync, R: Send>(list: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cpus = available_parallelism().map_or(1, usize::from);
    let threads = cpus.min(list.len() / EACH).max(1);
    if threads == 1 {
        return list.iter().map(each).collect();
    }
    let part = |part: &[T]| part.iter().map(&each).collect::<Vec<_>>();
    scope(|scope| {
        let parts = list.chunks(list.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|list| scope.spawn(move || part(list))).collect();
        let joined = running.into_iter().map(|thread| thread.join());
        joined.flat_map(|made| made.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn the_order_stays() {
        for length in [0, 1, 31, 64, 1001] {
            let list: Vec<usize> = (0..length).collect();
            assert_eq!(map(&list, |n| n * 2), list.iter().map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
