//! The guard's table: every family of addresses and every trick of writing one.

use super::*;

const PUBLIC: [&str; 8] = [
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "2606:4700:4700::1111",
    "64:ff9b::101:101",
];

const NOT_PUBLIC: [&str; 53] = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:1.1.1.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:101:101::1",
    "3fff::1",
    "3fff:fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
];

fn guard(allow: &[&str]) -> Guard {
    Guard::new(allow.iter().map(|text| text.parse().unwrap()).collect())
}

fn admit(guard: &Guard, url: &str) -> Result<(), Refusal> {
    guard.admit(&Url::parse(url).unwrap()).map(|_| ())
}

#[test]
fn only_public_addresses_pass() {
    for text in PUBLIC {
        assert_eq!(not_public(text.parse().unwrap()), None, "{text}");
    }
    for text in NOT_PUBLIC {
        assert!(not_public(text.parse().unwrap()).is_some(), "{text}");
    }
}

#[test]
fn every_way_of_writing_loopback_is_refused() {
    let guard = guard(&[]);
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:0:0:1]",
        "0.0.0.0",
        "0",
    ] {
        assert!(
            admit(&guard, &format!("https://{host}/")).is_err(),
            "{host}"
        );
    }
    assert_eq!(admit(&guard, "https://1.1.1.1/"), Ok(()));
}

#[test]
fn a_url_with_a_user_name_a_password_or_another_scheme_is_refused() {
    let guard = guard(&["127.0.0.1:80"]);
    for url in [
        "https://ada@example.org/",
        "https://:pw@example.org/",
        "https://example.org@127.0.0.1/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "data:text/plain,x",
    ] {
        assert!(admit(&guard, url).is_err(), "{url}");
    }
    assert_eq!(admit(&guard, "https://example.org/"), Ok(()));
}

#[test]
fn an_exception_is_an_address_with_its_port_and_nothing_else() {
    let guard = guard(&["127.0.0.1:2583", "[::1]:80"]);
    assert_eq!(admit(&guard, "http://127.0.0.1:2583/xrpc"), Ok(()));
    assert_eq!(admit(&guard, "https://127.0.0.1:2583/"), Ok(()));
    assert_eq!(admit(&guard, "http://[::1]/"), Ok(()));
    for url in [
        "http://127.0.0.1/",
        "http://127.0.0.2:2583/",
        "http://[::1]:81/",
        "https://[::1]/",
    ] {
        assert!(admit(&guard, url).is_err(), "{url}");
    }
}

#[test]
fn plain_http_is_refused_even_to_a_public_address() {
    let target = |plain| Some(Target { port: 80, plain });
    let guard = guard(&["10.0.0.1:80"]);
    let public: IpAddr = "1.1.1.1".parse().unwrap();
    assert!(guard.judge(public, target(true)).is_err());
    assert!(guard.judge(public, target(false)).is_ok());
    assert!(
        guard
            .judge("10.0.0.1".parse().unwrap(), target(true))
            .is_ok()
    );
}

#[test]
fn a_resolution_outside_of_any_call_has_no_exceptions() {
    let guard = guard(&["127.0.0.1:80"]);
    assert!(guard.judge("127.0.0.1".parse().unwrap(), None).is_err());
}

#[test]
fn of_a_name_with_several_addresses_only_the_public_ones_are_kept() {
    let found = ["10.0.0.1:0", "1.1.1.1:0", "[::1]:0"].map(|text| text.parse().unwrap());
    let target = Some(Target {
        port: 443,
        plain: false,
    });
    let kept = guard(&[]).keep(found.into_iter(), target).unwrap();
    assert_eq!(kept, [found[1]]);
    assert!(
        guard(&[])
            .keep(found.into_iter().step_by(2), target)
            .is_err()
    );
}

#[test]
fn an_exception_without_a_port_is_explained() {
    let why = "127.0.0.1".parse::<EgressAllow>().unwrap_err();
    assert!(why.contains("127.0.0.1:2583"), "{why}");
}
