//! Tests that have to call soute's code inside a lab: they run themselves again there.

use super::{host, trixie};
use std::sync::{Mutex, PoisonError};

/// Runs `body` as the test `name` on systemd 252 and on 257, alone: one of them may execute the manager anew.
#[track_caller]
pub fn in_labs(name: &str, body: fn()) {
    if std::env::var_os("SOUTE_INSIDE").is_some() {
        return body();
    }
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for lab in [host(), trixie()] {
        let program = lab.root().join("root").join(name);
        std::fs::copy(std::env::current_exe().expect("this test"), program).expect("a copy in the lab");
        lab.ok(&format!("SOUTE_INSIDE=1 /root/{name} --exact {name} --include-ignored --nocapture"));
    }
}
