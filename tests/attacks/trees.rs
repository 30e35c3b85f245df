//! Rows 1, 4, 6 and 30: trees that lead elsewhere, what is not the file that it should be, names that others swap meanwhile.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    attack_01_links_at_the_top_of_an_image,
    attack_01_links_of_the_kernels_files_and_devices,
    attack_01_special_files_in_etc,
    attack_01_mounts_do_not_reach_the_kernels_files,
    attack_04_a_destination_that_is_swapped_leads_nowhere,
    attack_04_renames_elsewhere_keep_nobody_from_starting,
    attack_04_a_source_in_the_store_is_no_link,
    attack_06_working_directories_of_descriptors_are_refused,
    attack_30_nothing_is_linked_or_renamed_from_one_to_another,
);

fn attack_01_links_at_the_top_of_an_image(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /canary-01/deep /srv/bound-01
        echo canary >/canary-01/file
        before=$(digest /canary-01) tree=/root/tree-01
        mounts() { awk '{ $1 = $2 = ""; print }' /proc/1/mountinfo | grep -v credentials; }
        mounted=$(mounts)
        define tree-01 'image = "tree-01"' 'timezone = "Europe/Berlin"' 'hosts = { other = "10.0.0.1" }' 'dns.servers = ["10.0.0.2"]' \
            'mount = [{ type = "tmpfs", target = "/tmp/a/b" }, { type = "tmpfs", target = "/run/a" },
                { source = "/srv/bound-01", target = "/etc/bound/deep" }, { source = "/srv/bound-01", target = "/var/lib/bound" }]'
        for name in dev proc sys run etc tmp var; do
            for kind in absolute relative chained dangling loop; do
                rm -rf $tree
                cp -a /images/busybox $tree
                rm -rf ${tree:?}/$name
                case $kind in
                    absolute) ln -s /canary-01 $tree/$name ;;
                    relative) ln -s ../../../../../../../canary-01 $tree/$name ;;
                    chained) ln -s first $tree/$name; ln -s ./second $tree/first; ln -s /../canary-01 $tree/second ;;
                    dangling) ln -s /canary-01/absent/deeper $tree/$name ;;
                    loop) ln -s ./$name $tree/$name ;;
                esac
                soute image import --replace tree-01 $tree 2>/dev/null
                case $name,$kind in
                    dev,* | proc,* | sys,*)
                        has "$(fails 1 soute start tree-01)" "/$name of the image is not a directory" ;;
                    *,loop)
                        has "$(fails 1 soute start tree-01)" "Too many levels of symbolic links" ;;
                    *)
                        soute start tree-01
                        has "$(soute exec tree-01 -- cat /etc/hosts)" 10.0.0.1
                        soute restart tree-01
                        soute stop tree-01 ;;
                esac
                soute remove --force --keep-definition tree-01
                is "$before" "$(digest /canary-01)"
                is "" "$(ls -A /srv/bound-01)"
            done
        done
        is "$mounted" "$(mounts)"
        rm -r $tree"#,
    );
}

/// CVE-2025-31133, CVE-2025-52565, CVE-2025-52881: what stands where a runtime takes its /dev/null, its console and its
/// proc from.
fn attack_01_links_of_the_kernels_files_and_devices(lab: &Lab) {
    run(
        lab,
        r#"
        pattern=$(cat /proc/sys/kernel/core_pattern)
        tree=/root/tree-01-dev
        rm -rf $tree
        cp -a /images/busybox $tree
        mkdir -p $tree/{dev,proc/self,proc/sys/kernel,sys/fs}
        for name in null zero full random urandom tty console ptmx pts shm mqueue fd stdin stdout; do
            ln -sf /proc/sys/kernel/core_pattern $tree/dev/$name
        done
        echo fake >$tree/proc/sys/kernel/core_pattern
        echo fake >$tree/proc/keys
        ln -s /proc/1/root $tree/proc/self/fd
        ln -s /proc/sys $tree/sys/fs/cgroup
        soute image import tree-01-dev $tree 2>/dev/null
        define tree-01-dev 'image = "tree-01-dev"' 'sysctl = { "net.core.somaxconn" = "77" }'
        soute start tree-01-dev
        is "1:3" "$(soute exec tree-01-dev -- stat -c %t:%T /dev/null)"
        # What is masked is empty, and neither the kernel's file nor the image's.
        is 0 "$(soute exec tree-01-dev -- cat /proc/keys | wc -c)"
        is 77 "$(soute exec tree-01-dev -- cat /proc/sys/net/core/somaxconn)"
        has "$(fails 1 soute exec tree-01-dev -- sh -c 'echo x >/proc/sys/kernel/core_pattern')" "Read-only"
        soute remove --force tree-01-dev
        is "$pattern" "$(cat /proc/sys/kernel/core_pattern)"
        rm -r $tree"#,
    );
}

/// CVE-2024-9676, CVE-2026-47262: nothing waits for it, nothing is read without end.
fn attack_01_special_files_in_etc(lab: &Lab) {
    run(
        lab,
        r#"
        # What a payload leaves in its own disk.
        define tree-01-etc 'timezone = "UTC"' 'hosts = { other = "10.0.0.1" }' 'dns.servers = ["10.0.0.2"]'
        soute start tree-01-etc
        soute stop tree-01-etc
        etc=/var/lib/soute/disks/tree-01-etc/root/etc
        cp -a $etc /root/etc-01
        for file in passwd group hosts resolv.conf localtime; do
            for kind in fifo null zero block socket huge directory link loop; do
                rm -rf $etc
                cp -a /root/etc-01 $etc
                rm -rf $etc/$file
                case $kind in
                    fifo) mkfifo $etc/$file ;;
                    null) mknod $etc/$file c 1 3 ;;
                    zero) mknod $etc/$file c 1 5 ;;
                    block) mknod $etc/$file b 7 250 ;;
                    socket) perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1) or die' $etc/$file ;;
                    huge) truncate -s 1T $etc/$file ;;
                    directory) mkdir $etc/$file ;;
                    link) ln -s /dev/zero $etc/$file ;;
                    loop) ln -s $file $etc/$file ;;
                esac
                status=$(ends soute start tree-01-etc)
                case $file,$kind,$status in
                    # A user is never looked up in what is no file: no guess, no root.
                    passwd,*,1 | group,*,1) ;;
                    hosts,directory,1 | resolv.conf,directory,1 | localtime,directory,1) ;;
                    hosts,loop,1 | resolv.conf,loop,1) ;;
                    hosts,*,0 | resolv.conf,*,0 | localtime,*,0) ;;
                    *) die "$file as $kind: status $status" ;;
                esac
                soute stop tree-01-etc
            done
        done
        soute remove --force tree-01-etc
        rm -r /root/etc-01"#,
    );
}

/// CVE-2019-16884, CVE-2019-19921: a volume that an image leads over the kernel's own files would hide the masks, and
/// take what is written to sysctls.
fn attack_01_mounts_do_not_reach_the_kernels_files(lab: &Lab) {
    run(
        lab,
        r#"
        tree=/root/tree-01-proc
        mkdir -p /srv/fake-01
        for target in /proc /proc/sys/net/core /sys /sys/fs/cgroup /proc/self ../../proc/sys; do
            rm -rf $tree
            cp -a /images/busybox $tree
            ln -s $target $tree/data
            soute image import --replace tree-01-proc $tree 2>/dev/null
            define tree-01-proc 'image = "tree-01-proc"' 'mount = [{ source = "/srv/fake-01", target = "/data" }]' \
                'sysctl = { "net.core.somaxconn" = "77" }'
            has "$(fails 1 soute start tree-01-proc)" "/data in the container is a link into /proc or /sys"
            soute remove --force tree-01-proc
        done
        is "" "$(ls -A /srv/fake-01)"
        # A generated file goes where the image's own link leads, and not there.
        rm -rf $tree
        cp -a /images/busybox $tree
        mkdir -p $tree/etc
        ln -sf /proc/sys/kernel/hostname $tree/etc/resolv.conf
        soute image import --replace tree-01-proc $tree 2>/dev/null
        define tree-01-proc 'image = "tree-01-proc"' 'dns.servers = ["10.0.0.2"]'
        has "$(fails 1 soute start tree-01-proc)" "/etc/resolv.conf in the container is a link into /proc or /sys"
        soute remove --force tree-01-proc
        soute image remove tree-01-proc
        rm -r $tree"#,
    );
}

fn attack_06_working_directories_of_descriptors_are_refused(lab: &Lab) {
    run(
        lab,
        r#"
        tree=/root/tree-06
        rm -rf $tree
        cp -a /images/busybox $tree
        for n in $(seq 0 40); do ln -s /proc/self/fd/$n $tree/fd$n; done
        ln -s /proc/self/cwd $tree/cwd
        ln -s /proc/1/root $tree/root1
        soute image import tree-06 $tree 2>/dev/null
        define tree-06 'image = "tree-06"' 'command = ["sh", "-c", "pwd; sleep 600"]'
        soute start tree-06
        # Descriptors of the caller's, open on the host's root.
        for n in $(seq 10 40); do eval "exec $n</"; done
        for n in $(seq 0 40); do
            for directory in /proc/self/fd/$n /fd$n /fd$n/etc; do
                has "$(fails 126 soute exec --working-directory $directory tree-06 -- pwd)" "cannot enter working directory"
            done
        done
        for directory in /cwd /root1 /proc/1/root /proc/self/cwd /proc/self/root/tmp; do
            has "$(fails 126 soute exec --working-directory $directory tree-06 -- pwd)" "cannot enter working directory"
        done
        is "0 1 2 3" "$(soute exec tree-06 -- ls /proc/self/fd | xargs)"
        soute stop tree-06
        for directory in /proc/self/fd/3 /fd4 /fd5 /fd6 /fd7 /fd8 /cwd; do
            define tree-06 'image = "tree-06"' 'restart.policy = "no"' "working-directory = \"$directory\""
            has "$(fails 1 soute start tree-06)" "cannot enter working directory"
        done
        soute remove --force tree-06
        soute image remove tree-06
        rm -r $tree"#,
    );
}

/// Someone who shares a directory with the container to be, and exchanges its names as fast as the kernel can.
struct Racer {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Racer {
    /// Swaps the first two names of `directory`, on two threads.
    fn new(directory: std::path::PathBuf) -> Self {
        use std::sync::atomic::{AtomicBool, Ordering};
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            let dir = std::fs::File::open(directory).unwrap();
            let mut swaps = 0;
            while !seen.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(&dir, "a", &dir, "b", rustix::fs::RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let swaps = self.thread.take().expect("one").join();
        if !std::thread::panicking() {
            assert!(swaps.expect("the racer") > 1000, "the premise: it races");
        }
    }
}

/// CVE-2021-30465, CVE-2024-45310, CVE-2018-15664.
fn attack_04_a_destination_that_is_swapped_leads_nowhere(lab: &Lab) {
    let rounds = crate::rounds(15, 250);
    lab.ok("mkdir -p /canary-04/deep /srv/swapped-04 /srv/bound-04; echo canary >/canary-04/file");
    for (number, link) in
        ["/canary-04", "../../../../../canary-04", "/proc/1/root/canary-04", "/proc"].iter().enumerate()
    {
        let shared = lab.root().join("srv/swapped-04");
        let _ = std::fs::remove_dir_all(&shared);
        std::fs::create_dir_all(shared.join("a")).unwrap();
        std::os::unix::fs::symlink(link, shared.join("b")).unwrap();
        let _racer = Racer::new(shared);
        run(
            lab,
            &format!(
                r#"
                before=$(digest /canary-04)
                mounts() {{ awk '{{ $1 = $2 = ""; print }}' /proc/1/mountinfo | grep -v credentials; }}
                mounted=$(mounts)
                define swapped-04 'restart.policy = "no"' 'mount = [{{ source = "/srv/swapped-04", target = "/vol" }},
                    {{ source = "/srv/bound-04", target = "/vol/a/deep/deeper" }}, {{ type = "tmpfs", target = "/vol/a/tmp" }},
                    {{ type = "tmpfs", target = "/vol/b" }}]'
                begun=0
                for round in $(seq {rounds}); do
                    case $(ends sh -c 'soute start swapped-04 2>>/root/swapped-04') in
                        0) begun=$((begun + 1)) ;;
                        1) ;;
                        *) die "another status" ;;
                    esac
                    soute stop swapped-04
                    is "$before" "$(digest /canary-04)"
                    is "" "$(ls -A /srv/bound-04)"
                done
                [ {number} -ge 2 ] || [ $begun -gt 0 ] || die "none has started: $(sort /root/swapped-04 | uniq -c)"
                is "$mounted" "$(mounts)"
                soute remove --force swapped-04"#
            ),
        );
    }
}

/// openat2(2) gives up a ".." when anything on the machine is renamed meanwhile.
fn attack_04_renames_elsewhere_keep_nobody_from_starting(lab: &Lab) {
    let busy: Vec<_> = ["one", "two"]
        .map(|name| {
            let shared = lab.root().join("srv/busy-04").join(name);
            let _ = std::fs::remove_dir_all(&shared);
            std::fs::create_dir_all(shared.join("a")).unwrap();
            std::fs::create_dir_all(shared.join("b")).unwrap();
            Racer::new(shared)
        })
        .into();
    run(
        lab,
        &format!(
            r#"
            tree=/root/tree-04
            rm -rf $tree
            cp -a /images/busybox $tree
            mkdir -p $tree/etc $tree/usr/x/y/z
            ln -sf ../usr/x/y/z/../../../x/y/../y/z/../../../../usr/x/y/z/../../../x/resolv.conf $tree/etc/resolv.conf
            soute image import tree-04 $tree 2>/dev/null
            define tree-04 'image = "tree-04"' 'dns.servers = ["10.0.0.2"]'
            for round in $(seq {}); do
                soute start tree-04
                soute stop tree-04
            done
            soute remove --force tree-04
            soute image remove tree-04
            rm -r $tree"#,
            crate::rounds(20, 200)
        ),
    );
    drop(busy);
}

/// What a container writes into its volume decides nothing of what another one is given.
fn attack_04_a_source_in_the_store_is_no_link(lab: &Lab) {
    run(
        lab,
        r#"
        define writer-04 'mount = [{ type = "volume", source = "shared-04", target = "/vol" }]'
        soute start writer-04
        soute exec writer-04 -- sh -c 'mkdir /vol/good; ln -s /etc /vol/bad; ln -s good /vol/near'
        store=/var/lib/soute/volumes
        reader() { define reader-04 "mount = [{ source = \"$store/$1\", target = \"/given\", missing = \"$2\" }]"; }
        reader shared-04/good fail
        soute start reader-04
        soute exec reader-04 -- touch /given/here
        soute stop reader-04
        is here "$(ls $store/shared-04/good)"
        for source in shared-04/bad shared-04/bad/ssl shared-04/near; do
            reader $source fail
            has "$(fails 1 soute start reader-04)" "Too many levels of symbolic links"
        done
        reader shared-04/bad/made-04 create-directory
        fails 1 soute start reader-04
        [ ! -e /etc/made-04 ]
        # Nor is a volume itself one.
        ln -s /etc $store/linked-04
        define reader-04 'mount = [{ type = "volume", source = "linked-04", target = "/given" }]'
        fails 1 soute start reader-04
        rm $store/linked-04
        soute remove --force writer-04 reader-04"#,
    );
}

fn attack_30_nothing_is_linked_or_renamed_from_one_to_another(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /srv/both-30
        for name in first-30 second-30; do
            define $name 'mount = [{ source = "/srv/both-30", target = "/vol" }]'
            soute start $name
        done
        soute exec first-30 -- sh -c 'echo secret >/secret; cp /bin/busybox /vol/setuid; chmod 4755 /vol/setuid; echo x >/vol/file'
        has "$(fails 1 soute exec first-30 -- ln /secret /vol/secret)" "cross-device link"
        has "$(fails 1 soute exec first-30 -- ln /vol/file /linked)" "cross-device link"
        is "file setuid" "$(ls /srv/both-30 | xargs)"
        # The volume has neither set-user-ID programs nor devices, and the store is nobody's but root's.
        has "$(soute exec second-30 -- grep ' /vol ' /proc/self/mountinfo)" "nosuid,nodev"
        for directory in images disks volumes; do
            [ ! -e /var/lib/soute/$directory ] || is "700 0" "$(stat -c '%a %u' /var/lib/soute/$directory)"
        done
        [ -e /var/lib/soute/disks/first-30/root/secret ]
        has "$(fails 1 setpriv --reuid 65534 --clear-groups cat /var/lib/soute/disks/first-30/root/secret)" "Permission denied"
        soute remove --force first-30 second-30"#,
    );
}
