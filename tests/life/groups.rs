//! Several containers of one definition, groups with limits of their own, and directories of definitions.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    replicas_are_containers_of_one_definition,
    scaling_starts_new_ones_and_keeps_the_disks_of_old_ones,
    whoever_requires_replicas_stays_while_one_runs,
    a_group_shares_its_limits,
    a_directory_of_definitions_comes_up_and_goes_down,
    replicas_start_at_boot,
);

fn replicas_are_containers_of_one_definition(lab: &Lab) {
    run(
        lab,
        r##"
        define farm 'replicas = 3' '[environment]' 'WHO = "${name}"' 'N = "${n}"' 'HOST = "${host}"' 'HOW = "$${n} ${how}"' \
            '[variables]' 'how = "well"'
        mkdir -p /etc/soute/containers/farm-2.toml.d
        printf 'variables.how = "better"\n' >/etc/soute/containers/farm-2.toml.d/50-own.toml
        soute check farm
        soute start farm
        is "farm-1 farm-2 farm-3" "$(soute list -q farm | xargs)"
        lacks "$(soute list -q | xargs)" "farm "
        # What is of one container says that it is several.
        has "$(fails 125 soute exec farm true)" "farm is 3 containers, farm-1 to farm-3"
        fails 4 soute unit farm >/dev/null
        is "farm-1 farm-2 farm-3" "$(soute status -n 0 farm | grep ^farm | xargs)"
        env() { soute exec "$1" -- env; }
        has "$(env farm-2)" "WHO=farm-2"
        has "$(env farm-3)" "N=3"
        has "$(env farm-3)" "HOST=lab"
        has "$(env farm-3)" 'HOW=${n} well'
        has "$(env farm-2)" 'HOW=${n} better'
        is farm-2 "$(soute exec farm-2 -- hostname)"
        has "$(prop farm-2 SourcePath)" farm.toml
        # One of them is a container like any other.
        soute stop farm-2
        is "farm-1 farm-3" "$(soute list -q farm | xargs)"
        systemctl start soute-start@farm-2
        soon is_state farm-2 active
        soute stop farm
        is "" "$(soute list -q farm)"
        # The launcher of the definition is that of all.
        systemctl start soute-start@farm
        is "farm-1 farm-2 farm-3" "$(soute list -q farm | xargs)"
        systemctl stop soute-start@farm
        soon is_state farm-1 inactive
        soon is_state farm-3 inactive
        # A file of a replica's name is a fault, there and nowhere else.
        define farm-1
        has "$(fails 5 soute start farm-1)" "farm-1 is one of the replicas of /etc/soute/containers/farm.toml too"
        fails 5 soute check farm-1 >/dev/null
        rm /etc/soute/containers/farm-1.toml
        has "$(fails 2 soute remove farm-1)" "one of the replicas of farm"
        has "$(fails 2 soute enable farm-1)" "one of the replicas of farm"
        fails 4 soute start farm-4 >/dev/null
        # What cannot differ is told once, with the way out.
        define twins 'replicas = 2' '[[network]]' 'bridge = "br-x"' 'address = "10.9.9.9/24"'
        said=$(fails 5 soute check)
        has "$said" "twins-1 has the address 10.9.9.9 on br-x already"
        has "$said" 'replicas differ by ${n}'
        rm /etc/soute/containers/twins.toml
        define typo 'replicas = 2' 'description = "${nmae}"' '[variables]'
        has "$(fails 5 soute check typo)" 'did you mean "${name}"?'
        rm /etc/soute/containers/typo.toml
        # One that cannot start keeps none of the others from being tried.
        mkdir -p /etc/soute/containers/farm-1.toml.d
        printf 'command = ["no-such-program"]\nrestart.policy = "no"\n' >/etc/soute/containers/farm-1.toml.d/50-own.toml
        fails 1 soute start farm >/dev/null
        is "farm-2 farm-3" "$(soute list -q farm | xargs)"
        rm -r /etc/soute/containers/farm-1.toml.d
        soute start farm
        fails 6 soute remove farm >/dev/null
        soute remove --force farm
        is "" "$(ls -d /var/lib/soute/disks/farm-* /etc/soute/containers/farm.toml /run/soute/state/farm-* 2>/dev/null)""##,
    );
}

fn scaling_starts_new_ones_and_keeps_the_disks_of_old_ones(lab: &Lab) {
    run(
        lab,
        r##"
        define many '# how many' 'replicas = 1 # for now' 'labels = { a = "${n}" }' '[variables]'
        soute scale many=3
        is "many-1 many-2 many-3" "$(soute list -q many | xargs)"
        has "$(cat /etc/soute/containers/many.toml)" "# how many"
        has "$(cat /etc/soute/containers/many.toml)" "replicas = 3 # for now"
        first=$(pid many-1)
        soute exec many-3 -- sh -c 'echo kept >/file'
        has "$(soute scale many=1 2>&1)" "stopped many-3"
        is many-1 "$(soute list -q many)"
        is "$first" "$(pid many-1)"
        has "$(marked many-3)" orphan
        soute scale many=3
        is kept "$(soute exec many-3 -- cat /file)"
        is "$first" "$(pid many-1)"
        # How many others there are is no change of one.
        lacks "$(marked many-1)" changed
        soute diff many
        soute scale many=0
        is "" "$(soute list -q many)"
        fails 2 soute scale many >/dev/null
        fails 2 soute scale many=1001 >/dev/null
        define single
        has "$(fails 5 soute scale single=2)" "has no replicas"
        rm /etc/soute/containers/single.toml
        # A definition of a package's is scaled by a drop-in.
        mkdir -p /run/soute/containers /usr/local/lib/soute/containers 2>/dev/null || true
        soute remove many-1 many-2 many-3
        soute remove many
        is "" "$(ls -d /var/lib/soute/disks/many-* 2>/dev/null)""##,
    );
}

fn whoever_requires_replicas_stays_while_one_runs(lab: &Lab) {
    run(
        lab,
        r##"
        define back 'replicas = 2'
        define front 'requires = ["back"]'
        soute check front
        soute start front
        is active "$(state back-1)"
        is active "$(state back-2)"
        soute stop back-1
        sleep 0.5
        is active "$(state front)"
        soute stop back-2
        soon is_state front inactive
        define circle 'requires = ["circle"]' 'replicas = 2'
        fails 5 soute start circle >/dev/null
        soute remove back front circle"##,
    );
}

fn a_group_shares_its_limits(lab: &Lab) {
    run(
        lab,
        r##"
        mkdir -p /etc/soute/groups
        printf 'description = "The shop"\n[limits]\nmemory = "512M"\ntasks = 100\n' >/etc/soute/groups/my-shop.toml
        define till 'group = "my-shop"'
        define stock 'group = "my-shop"' 'after = ["till"]' '[limits]' 'memory = "64M"'
        soute up my-shop
        slice() { systemctl show -P "$1" -- 'soute-my\x2dshop.slice'; }
        is $((512 << 20)) "$(slice MemoryMax)"
        is 100 "$(slice TasksMax)"
        is "The shop" "$(slice Description)"
        has "$(cat "/proc/$(pid stock)/cgroup")" '/soute.slice/soute-my\x2dshop.slice/soute@stock.service'
        [ "$(prop till ActiveEnterTimestampMonotonic)" -lt "$(prop stock InactiveExitTimestampMonotonic)" ]
        is "stock till" "$(soute list -q my-shop | xargs)"
        # frozen is read below the group's slice, too
        systemctl freeze soute@till
        has "$(marked till)" frozen
        systemctl thaw soute@till
        has "$(soute logs my-shop -o cat)" till
        # Whatever takes names takes the group's.
        soute diff my-shop
        printf 'limits.memory = "96M"\n' >>/etc/soute/containers/till.toml
        fails 7 soute diff my-shop >/dev/null
        fails 4 soute diff no-shop >/dev/null
        soute apply my-shop >/dev/null
        is $((96 << 20)) "$(prop till MemoryMax)"
        soute verify my-shop
        # A limit that changed counts at the next start of any of them, and one that is gone is gone.
        printf '[limits]\nmemory = "256M"\ncpus = 0.5\n' >/etc/soute/groups/my-shop.toml
        soute restart till
        is $((256 << 20)) "$(slice MemoryMax)"
        is infinity "$(slice TasksMax)"
        is 500ms "$(slice CPUQuotaPerSecUSec)"
        rm /etc/soute/groups/my-shop.toml
        soute restart till
        is infinity "$(slice MemoryMax)"
        is infinity "$(slice CPUQuotaPerSecUSec)"
        printf 'image = "x"\n' >/etc/soute/groups/my-shop.toml
        has "$(fails 5 soute restart till)" "a group has no image"
        rm /etc/soute/groups/my-shop.toml
        systemctl daemon-reload
        soute start till
        is active "$(state stock)"
        soute down --remove my-shop
        is "" "$(ls -d /var/lib/soute/disks/till /var/lib/soute/disks/stock /etc/soute/containers/till.toml 2>/dev/null || true)"
        fails 4 soute down my-shop >/dev/null"##,
    );
}

fn a_directory_of_definitions_comes_up_and_goes_down(lab: &Lab) {
    run(
        lab,
        r##"
        mkdir -p /srv/site/pages
        echo hello >/srv/site/pages/index
        cat >/srv/site/page.toml <<'EOF'
image = "busybox"
command = ["sleep", "infinity"]
after = ["store"]
environment = { STAGE = "test" }
[[mount]]
source = "./pages"
target = "/pages"
read-only = true
EOF
        printf 'environment = { STAGE = "production" }\n' >/srv/site/page.prod.toml
        printf 'image = "busybox"\ncommand = ["sleep", "infinity"]\n' >/srv/site/store.toml
        cd /srv/site
        soute up . --with prod
        is "page store" "$(soute list -q . | xargs)"
        is /srv/site/page.toml "$(readlink /etc/soute/containers/page.toml)"
        is hello "$(soute exec page -- cat /pages/index)"
        has "$(soute exec page -- env)" STAGE=production
        [ "$(prop store ActiveEnterTimestampMonotonic)" -lt "$(prop page InactiveExitTimestampMonotonic)" ]
        # Faults are shown where the user edits.
        echo 'x = 1' >>/srv/site/store.toml
        has "$(fails 5 soute check store)" /srv/site/store.toml
        sed -i '/^x/d' /srv/site/store.toml
        # A second time changes nothing; without the word its drop-in goes.
        is "" "$(soute up /srv/site --with prod 2>&1)"
        has "$(soute up /srv/site 2>&1)" removed
        soute restart page
        has "$(soute exec page -- env)" STAGE=test
        define other
        mkdir -p /srv/else
        cp /srv/site/store.toml /srv/else/other.toml
        has "$(fails 1 soute up /srv/else)" "other is defined by /etc/soute/containers/other.toml already"
        soute remove other
        soute down .
        is "" "$(soute list -q .)"
        [ -L /etc/soute/containers/page.toml ]
        soute up .
        # A file that goes leaves a link that leads nowhere, and a container that runs.
        mv page.toml gone
        has "$(soute up . 2>&1)" "page has no definition in . any more: \`soute down .\` stops it"
        soute down .
        is "" "$(soute list -q | grep -e page -e store || true)"
        soute down --remove .
        is "" "$(ls /etc/soute/containers | grep -e page -e store || true)"
        mv gone page.toml
        soute up .
        soute down --remove .
        is "page.prod.toml page.toml pages store.toml" "$(ls /srv/site | xargs)"
        is "" "$(ls /etc/soute/containers | grep -e page -e store || true)"
        is "" "$(ls -d /var/lib/soute/disks/page /var/lib/soute/disks/store 2>/dev/null || true)"
        fails 4 soute up /srv/site/pages >/dev/null
        fails 1 soute up /srv/none >/dev/null"##,
    );
}

fn replicas_start_at_boot(lab: &Lab) {
    run(
        lab,
        r##"
        define booted 'autostart = true' 'replicas = 2' 'after = ["b-${stage}"]' '[variables]' 'stage = "x"'
        define b-x 'autostart = true'
        systemctl daemon-reload
        wants=/run/systemd/generator/multi-user.target.wants
        [ -L $wants/soute-start@booted.service ]
        has "$(systemctl show -P After soute-start@booted)" "soute-start@b-x.service"
        soute start booted
        has "$(marked booted-2)" autostart
        soute disable --now booted
        soon is_state booted-1 inactive
        has "$(marked booted-2)" stopped
        systemctl daemon-reload
        ! [ -L $wants/soute-start@booted.service ]
        soute remove booted b-x"##,
    );
}
