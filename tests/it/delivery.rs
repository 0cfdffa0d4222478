//! Streams as players get them: everything that a multivariant playlist leads to, for who may see it and nobody else.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use kernel::db::Postgres;
use kernel::id::{AccountId, AssetId, JobId};
use kernel::store::{Lives, Prefix, UrlSigner};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::program::{Person, Up, answer, command, data_folder, fixture, objects, run};

/// What came back to a request that was sent byte by byte, so that no client tidied its address.
#[derive(Debug)]
struct Raw {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

fn raw(up: &Up, method: &str, path: &str, headers: &[(&str, &str)]) -> Raw {
    let mut socket = TcpStream::connect(up.address.trim_start_matches("http://")).expect("connect");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(socket, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").expect("ask");
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: no answer"));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let headers =
        head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Raw { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() }
}

fn get(up: &Up, path: &str) -> Raw {
    raw(up, "GET", path, &[])
}

/// The text at an address that must be there.
fn text(up: &Up, path: &str) -> String {
    let got = get(up, path);
    assert_eq!(got.status, 200, "{path}: {}", String::from_utf8_lossy(&got.body));
    String::from_utf8(unchunked(&got)).expect("utf-8")
}

/// The body, whose length may have been unknown when it was begun.
fn unchunked(got: &Raw) -> Vec<u8> {
    if got.headers.get("transfer-encoding").is_none_or(|coding| coding != "chunked") {
        return got.body.clone();
    }
    let (mut out, mut rest) = (Vec::new(), &got.body[..]);
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).expect("ascii").trim(), 16).expect("a length");
        out.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[(end + 4 + length).min(rest.len())..];
    }
    out
}

/// Addresses in a playlist, as it has them: lines, and `URI` attributes.
fn named(playlist: &str) -> Vec<String> {
    let attributes = playlist.lines().filter_map(|line| Some(line.split_once("URI=\"")?.1.split_once('"')?.0.to_owned()));
    let lines = playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned);
    attributes.chain(lines).collect()
}

/// An address relative to another one.
fn beside(base: &str, name: &str) -> String {
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Every address that what a player is given leads to.
fn walk(up: &Up, playback: &Value) -> BTreeSet<String> {
    let first = ["hls_url", "poster_url", "storyboard_url"].map(|name| playback[name].as_str());
    let captions = playback["captions"].as_array().expect("captions").iter().map(|track| track["url"].as_str());
    let mut waiting: Vec<String> = first.into_iter().chain(captions).flatten().map(str::to_owned).collect();
    let mut found = BTreeSet::new();
    while let Some(url) = waiting.pop() {
        if !found.insert(url.clone()) {
            continue;
        }
        if url.ends_with(".m3u8") {
            waiting.extend(named(&text(up, &url)).iter().map(|name| beside(&url, name)));
        }
        if url.ends_with("storyboard.vtt") {
            let storyboard = text(up, &url);
            let sheets = storyboard.lines().filter_map(|line| line.split_once("#xywh="));
            waiting.extend(sheets.map(|(sheet, _)| beside(&url, sheet)));
        }
    }
    found
}

/// The parts of `/stream/<token>/<asset>/<version>/<rest>`.
fn parts(url: &str) -> [&str; 4] {
    let parts: Vec<&str> = url.strip_prefix("/stream/").expect("a stream's address").splitn(4, '/').collect();
    parts.try_into().expect("four parts")
}

/// The program's own signer, made of the data folder's secret.
fn signer(data: &Path) -> UrlSigner {
    let secret = std::fs::read(data.join("secret")).expect("the secret");
    let key = Sha256::new().chain_update((secret.len() as u64).to_be_bytes()).chain_update(&secret).chain_update("media").finalize();
    UrlSigner::new(key.into(), Lives { media: Duration::minutes(5), stream: Duration::minutes(5) })
}

struct World {
    data: tempfile::TempDir,
    up: Up,
    pool: PgPool,
    teacher: Person,
    course: String,
    video: String,
}

impl World {
    /// A published course with a film of three segments that has captions inside and one captions file beside.
    async fn new(settings: &[(&str, &str)]) -> Self {
        let data = data_folder();
        let mut command = command(data.path());
        command.envs(settings.iter().copied());
        let up = Up::start_with(command);
        let teacher = Person::new(&up, "Ada", "instructor").await;
        let course = teacher.course("Tides").await;
        let video = teacher.upload(&course, "film.mkv", fixture("captioned.mkv")).await;
        let captions = teacher.upload(&course, "film.pt-br.sdh.vtt", fixture("captions.vtt")).await;
        for asset in [&video, &captions] {
            assert_eq!(teacher.settled(asset).await["state"], "published");
        }
        let pool = PgPool::connect_with(Postgres::app_options(data.path())).await.expect("connect");
        Self { data, up, pool, teacher, course, video }
    }

    async fn learner(&self, name: &str) -> Person {
        let learner = Person::new(&self.up, name, "student").await;
        learner.post(&format!("/courses/{}/enrollments", self.course), json!({})).await;
        learner
    }

    async fn playback(&self, who: &Person) -> Value {
        who.get(&format!("/assets/{}/playback", self.video)).await
    }

    async fn run(&self, sql: &'static str, id: &str) {
        let id: uuid::Uuid = id.parse().expect("an id");
        let changed = sqlx::query(sql).bind(id).execute(&self.pool).await.expect("change it").rows_affected();
        assert!(changed > 0, "{sql}");
    }

    /// Sweeps as the janitor does.
    fn sweep(&self) -> Value {
        // The server's own janitor may be at it just now.
        let busy = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).contains("a janitor or a backup is at work");
        let mut tries = std::iter::repeat_with(|| run(self.data.path(), &["gc", "--json"]));
        let output = tries.by_ref().take(100).find(|output| !busy(output)).expect("the janitor ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("json")
    }
}

async fn account_of(person: &Person) -> String {
    person.get("/me").await["id"].as_str().expect("an id").to_owned()
}

/// Whether this is given to whoever comes with the token, or only while they may see the asset.
fn asks_again(rest: &str) -> bool {
    rest.ends_with(".m3u8") || rest.starts_with("captions/") || rest == "key"
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_of_a_stream_opens_for_anybody_else() {
    let world = World::new(&[]).await;
    let up = &world.up;
    let (learner, leaver) = (world.learner("Grace").await, world.learner("Leo").await);
    let playback = world.playback(&learner).await;
    let urls = walk(up, &playback);
    let rests: BTreeSet<&str> = urls.iter().map(|url| parts(url)[3]).collect();
    for wanted in [
        "master.m3u8",
        "poster.jpg",
        "audio/init.mp4",
        "storyboard.vtt",
        "storyboard-1.jpg",
        "audio/seg-00003.m4s",
        "captions/captions-en/index.m3u8",
    ] {
        assert!(rests.contains(wanted), "{wanted} in {rests:#?}");
    }
    for part in ["/iframes.m3u8", "x180/seg-00001.m4s", "/captions.vtt", "captions/captions-de-sdh/seg-00003-"] {
        assert!(rests.iter().any(|rest| rest.contains(part)), "{part} in {rests:#?}");
    }

    // The control: who may see it gets all of it, in whole, in part, and what there is to say of it.
    for url in &urls {
        let whole = get(up, url);
        assert_eq!(whole.status, 200, "{url}");
        assert_eq!(whole.headers["x-content-type-options"], "nosniff", "{url}");
        let media_type = match url.rsplit_once('.').expect("an ending").1 {
            "m3u8" => "application/vnd.apple.mpegurl",
            "m4s" => "video/iso.segment",
            "mp4" => "video/mp4",
            "vtt" => "text/vtt; charset=utf-8",
            _ => "image/jpeg",
        };
        assert_eq!(whole.headers["content-type"], media_type, "{url}");
        let cached = whole.headers["cache-control"].contains("immutable");
        assert_eq!(cached, !asks_again(parts(url)[3]), "{url}: {}", whole.headers["cache-control"]);
        assert_eq!(raw(up, "HEAD", url, &[]).status, 200, "{url}");
        let part = raw(up, "GET", url, &[("Range", "bytes=1-4")]);
        assert_eq!((part.status, part.body.len()), (206, 4), "{url}");
        assert_eq!(part.body, unchunked(&whole)[1..5], "{url}");
        assert_eq!(raw(up, "GET", url, &[("Range", "bytes=99999999-")]).status, 416, "{url}");
        assert_eq!(raw(up, "GET", url, &[("If-None-Match", &whole.headers["etag"])]).status, 304, "{url}");
    }

    // Never with a token that is none, has ended, or was made for something else.
    let signer = signer(world.data.path());
    let asset: AssetId = world.video.parse().expect("an id");
    let stream = Prefix::parse(&format!("assets/{asset}/{}", parts(urls.first().expect("an address"))[2])).expect("a prefix");
    let me: AccountId = account_of(&learner).await.parse().expect("an id");
    let now = OffsetDateTime::now_utc();
    let own = signer.stream_token(me, &stream, now);
    let ended = signer.stream_token(me, &stream, now - Duration::minutes(5));
    let of_another = signer.stream_token(me, &Prefix::attempt(AssetId::new(), JobId::new(), 1), now);
    let of_another_version = signer.stream_token(me, &Prefix::attempt(asset, JobId::new(), 1), now);
    let of_nobody = signer.stream_token(AccountId::new(), &stream, now);
    let other = world.teacher.publish(&world.course, "other.mp4", fixture("tiny.mp4")).await;
    let other = learner.get(&format!("/assets/{}/playback", other["id"].as_str().expect("an id"))).await;
    let [other_token, other_asset, other_version, _] = parts(other["hls_url"].as_str().expect("an address"));
    let mut tried = 0;
    let mut refused = |path: &str, why: &str| {
        for (method, headers) in [("GET", &[][..]), ("HEAD", &[]), ("GET", &[("Range", "bytes=0-1")])] {
            let got = raw(up, method, path, headers);
            assert!(matches!(got.status, 400..=499), "{why}: {method} {path} {headers:?}: {}", got.status);
            tried += 1;
        }
    };
    for url in &urls {
        let [token, asset, version, rest] = parts(url);
        assert_eq!(get(up, &format!("/stream/{own}/{asset}/{version}/{rest}")).status, 200, "the control: the secret is the program's");
        for (path, why) in [
            (format!("/stream/{asset}/{version}/{rest}"), "anonymous"),
            (format!("/stream//{asset}/{version}/{rest}"), "anonymous"),
            (format!("/stream/0/{asset}/{version}/{rest}"), "nonsense"),
            (format!("/stream/{token}x/{asset}/{version}/{rest}"), "changed"),
            (format!("/stream/9{token}/{asset}/{version}/{rest}"), "longer"),
            (format!("/stream/{ended}/{asset}/{version}/{rest}"), "expired"),
            (format!("/stream/{of_another}/{asset}/{version}/{rest}"), "of another asset"),
            (format!("/stream/{other_token}/{asset}/{version}/{rest}"), "of another asset"),
            (format!("/stream/{of_another_version}/{asset}/{version}/{rest}"), "of another version"),
            (format!("/media/{token}/assets/{asset}/{version}/{rest}"), "by the other door"),
            (format!("/media/{own}/assets/{asset}/{version}/{rest}"), "by the other door"),
            (format!("/stream/{other_token}/{other_asset}/{other_version}/../../{asset}/{version}/{rest}"), "climbing"),
            (format!("/stream/{other_token}/{other_asset}/{other_version}/..%2f..%2f{asset}%2f{version}%2f{rest}"), "climbing"),
            (format!("/stream/{other_token}/{other_asset}/..%2f{asset}/{version}/{rest}"), "climbing"),
            (format!("/stream/{other_token}/{other_asset}/%2e%2e/{asset}/{version}/{rest}"), "climbing"),
            (format!("/stream/{other_token}/{other_asset}%2f..%2f{asset}/{version}/{rest}"), "climbing"),
            (format!("/stream/{other_token}/{other_asset}/..%5c{asset}/{version}/{rest}"), "climbing"),
            (format!("/stream/{other_token}/{other_asset}/..%252f{asset}/{version}/{rest}"), "climbing"),
            (format!("/stream/{other_token}/{other_asset}/{version}/{rest}"), "of another asset's version"),
            (format!("/stream/{token}/{asset}/{version}/{}", rest.replace('.', "%2e")), "spelled in another way"),
            (format!("/stream/{token}/{asset}/{version}/x/../{rest}"), "spelled in another way"),
        ] {
            refused(&path, why);
        }
        if asks_again(rest) {
            refused(&format!("/stream/{of_nobody}/{asset}/{version}/{rest}"), "of nobody");
        }
    }
    // A picture's address opens no more than the picture.
    let listed = learner.get(&format!("/courses/{}/assets", world.course)).await;
    for asset in listed["items"].as_array().expect("assets").iter().filter_map(|asset| asset["poster_url"].as_str()) {
        assert!(asset.starts_with("/stream/"), "{asset}");
    }

    // Who is no longer enrolled: no playlist, no captions at once, and no new token; the old one ends by itself.
    let left = walk(up, &world.playback(&leaver).await);
    let account = account_of(&leaver).await;
    world.run("delete from enrollments where account_id = $1", &account).await;
    let (status, _) = answer(leaver.request(Method::GET, &format!("/assets/{}/playback", world.video))).await;
    assert_eq!(status, 404);
    let account: AccountId = account.parse().expect("an id");
    let ended = signer.stream_token(account, &stream, now - Duration::minutes(5));
    for url in &left {
        let [_, asset, version, rest] = parts(url);
        if asks_again(rest) {
            refused(url, "unenrolled");
        }
        refused(&format!("/stream/{ended}/{asset}/{version}/{rest}"), "unenrolled, and the token has ended");
    }
    let expires: i64 = parts(left.first().expect("an address"))[0].split('.').next().and_then(|at| at.parse().ok()).expect("a time");
    assert!(expires <= OffsetDateTime::now_utc().unix_timestamp() + 300, "five minutes at most");
    assert_eq!(get(up, urls.first().expect("an address")).status, 200, "the control: others are still enrolled");

    // Nor after the course was taken back.
    world.run("update courses set state = 'draft' where id = $1", &world.course).await;
    for url in urls.iter().filter(|url| asks_again(parts(url)[3])) {
        refused(url, "unpublished");
    }
    assert!(tried > 1000, "{tried} requests were refused");
    world.run("update courses set state = 'published' where id = $1", &world.course).await;
    for url in &urls {
        assert_eq!(get(up, url).status, 200, "the control: {url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_are_renditions_cut_like_the_film() {
    let world = World::new(&[]).await;
    let up = &world.up;
    let playback = world.playback(&world.teacher).await;
    let tracks: Vec<_> = playback["captions"].as_array().expect("captions").iter().collect();
    let languages: Vec<_> = tracks.iter().map(|track| (track["language"].as_str(), track["sdh"].as_bool())).collect();
    assert_eq!(languages, [(Some("pt-BR"), Some(true)), (Some("en"), Some(false)), (Some("de"), Some(true))], "{playback:#}");
    let master_url = playback["hls_url"].as_str().expect("an address");
    let master = text(up, master_url);
    let sdh = "CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound\"";
    let line = |id: &str| master.lines().find(|line| line.contains(&format!("URI=\"captions/{id}/index.m3u8\""))).expect("a rendition");
    assert!(line("captions-de-sdh").contains(sdh) && line("captions-de-sdh").contains("LANGUAGE=\"de\""), "{master}");
    assert!(!line("captions-en").contains("CHARACTERISTICS") && line("captions-en").contains("NAME=\"English\""), "{master}");
    assert!(line(tracks[0]["id"].as_str().expect("an id")).contains("LANGUAGE=\"pt-BR\""), "{master}");
    for variant in master.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF:")) {
        assert!(variant.contains("SUBTITLES=\"captions\"") && variant.contains("CLOSED-CAPTIONS=NONE"), "{variant}");
    }

    let playlist_url = beside(master_url, "captions/captions-en/index.m3u8");
    let durations = |playlist: &str| playlist.lines().filter(|line| line.starts_with("#EXTINF:")).map(str::to_owned).collect::<Vec<_>>();
    let film = named(&master).into_iter().find(|name| name.ends_with("x180/index.m3u8")).expect("a variant");
    let playlist = text(up, &playlist_url);
    assert_eq!(durations(&playlist), durations(&text(up, &beside(master_url, &film))), "cut at the same places");
    let segments: Vec<String> = named(&playlist).iter().map(|name| text(up, &beside(&playlist_url, name))).collect();
    let across = "00:00:03.521 --> 00:00:08.521\nIt stays for a while &amp; then some.\n";
    assert_eq!(segments.len(), 3);
    for (segment, wanted) in segments.iter().zip([vec!["tide comes in", across], vec![across], vec![across, "It goes out"]]) {
        assert!(segment.starts_with("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n"), "{segment}");
        assert_eq!(segment.matches(" --> ").count(), wanted.len(), "{segment}");
        assert!(wanted.iter().all(|part| segment.contains(part)), "{wanted:?} in {segment}");
    }

    // Apple's 10.1: playlists are compressed for who can read that; text is, too. Segments are not.
    let coding = |url: &str| raw(up, "GET", url, &[("Accept-Encoding", "gzip")]).headers.get("content-encoding").cloned();
    for url in [master_url, &beside(master_url, &film), &playlist_url, tracks[1]["url"].as_str().expect("an address")] {
        assert_eq!(coding(url).as_deref(), Some("gzip"), "{url}");
    }
    assert_eq!(coding(&beside(master_url, "audio/seg-00001.m4s")), None);
    assert_eq!(coding(playback["poster_url"].as_str().expect("an address")), None);
    world.pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_the_middle_of_a_replaced_version_can_go_on() {
    let world = World::new(&[]).await;
    let up = &world.up;
    let learner = world.learner("Grace").await;
    let before = world.playback(&learner).await;
    let urls = walk(up, &before);
    let all = |status: u16, why: &str| {
        for url in &urls {
            assert_eq!(get(up, url).status, status, "{why}: {url}");
        }
    };
    let again = async || {
        world.run("update streams set made_by = 0 where asset_id = $1", &world.video).await;
        let output = run(world.data.path(), &["backfill", "--stage", "transcode", "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let made = async {
            while !sqlx::query_scalar::<_, bool>("select bool_and(made_by > 0) from streams").fetch_one(&world.pool).await.expect("ask") {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(120), made).await.expect("it is made again");
    };
    again().await;
    let after = world.playback(&learner).await;
    let version = |playback: &Value| parts(playback["hls_url"].as_str().expect("an address"))[2].to_owned();
    assert_ne!(version(&before), version(&after), "it was made anew");
    world.sweep();
    all(200, "within the grace");
    // Who plays it has the rest of their token's life for what is loaded; the next token is one of the new version.
    let [token, ..] = parts(after["hls_url"].as_str().expect("an address"));
    for url in &urls {
        let [_, asset, version, rest] = parts(url);
        assert_eq!(get(up, &format!("/stream/{token}/{asset}/{version}/{rest}")).status, 403, "{url}");
    }
    let doctor = run(world.data.path(), &["doctor", "--check", "--json"]);
    let findings: Value = serde_json::from_slice(&doctor.stdout).expect("json");
    let orphans = findings.as_array().expect("findings").iter().find(|finding| finding["name"] == "I7").expect("I7");
    assert_eq!(orphans["health"], "ok", "{orphans}");

    // After the grace it is swept, and nothing else.
    world.run("update replaced_streams set replaced_at = now() - interval '601 seconds' where asset_id = $1", &world.video).await;
    world.sweep();
    all(404, "after the grace");
    // A store may keep empty folders.
    let folder = objects(world.data.path()).join("assets").join(&world.video).join(version(&before));
    assert_eq!(crate::program::walk(&folder), Vec::<std::path::PathBuf>::new());
    let urls = walk(up, &after);
    assert!(urls.iter().all(|url| get(up, url).status == 200), "the present version is whole");

    // The control: without the row that names it, a replaced version is swept at once.
    again().await;
    world.run("delete from replaced_streams where asset_id = $1", &world.video).await;
    world.sweep();
    assert!(urls.iter().all(|url| get(up, url).status == 404), "nothing but the row keeps it");
    world.pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_stream_opens_with_its_key_and_the_key_with_a_session() {
    let world = World::new(&[("LEARNHUB_DELIVERY_ENCRYPT", "true")]).await;
    let up = &world.up;
    let (learner, other) = (world.learner("Grace").await, world.learner("Leo").await);
    let response = learner.request(Method::GET, &format!("/assets/{}/playback", world.video)).send().await.expect("an answer");
    let cookie = response.headers()["set-cookie"].to_str().expect("ascii").to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict; Path=/stream;"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let playback: Value = response.json().await.expect("json");
    let master_url = playback["hls_url"].as_str().expect("an address").to_owned();
    let urls = walk(up, &playback);
    let key_url = beside(&master_url, "key");
    assert!(urls.contains(&key_url), "{urls:#?}");
    for url in urls.iter().filter(|url| **url != key_url) {
        assert_eq!(get(up, url).status, 200, "{url}");
    }

    // The key: to the one who is signed in as whom the address was made for.
    assert_eq!(get(up, &key_url).status, 401, "a link that was passed on");
    let bearer = |person: &Person| {
        let request = person.request(Method::GET, "/me").build().expect("a request");
        request.headers()["authorization"].to_str().expect("ascii").to_owned()
    };
    for headers in [("Authorization", bearer(&other)), ("Authorization", "Bearer x".into()), ("Cookie", "stream_session=x".into())] {
        for method in ["GET", "HEAD"] {
            let got = raw(up, method, &key_url, &[(headers.0, &headers.1), ("Range", "bytes=0-15")]);
            assert!(matches!(got.status, 401 | 403), "{headers:?}: {}", got.status);
        }
    }
    let mut keys = [("Authorization", bearer(&learner)), ("Cookie", cookie.clone())].map(|(name, value)| {
        let got = raw(up, "GET", &key_url, &[(name, &value)]);
        assert_eq!((got.status, got.headers["cache-control"].as_str()), (200, "private, no-store"));
        got.body
    });
    keys.sort();
    let key: [u8; 16] = keys[0].clone().try_into().expect("16 bytes");
    assert_eq!(keys[1], key);

    // Segments and pictures open with it, by their media sequence number, and are what lies in the store.
    let stored = |name: &str| {
        let [_, asset, version, _] = parts(&master_url);
        std::fs::read(objects(world.data.path()).join("assets").join(asset).join(version).join(name)).expect("an object")
    };
    let master = text(up, &master_url);
    let playlists = named(&master).into_iter().filter(|name| !name.starts_with("captions/"));
    let mut opened = 0;
    for name in playlists {
        let playlist = text(up, &beside(&master_url, &name));
        let (folder, _) = name.rsplit_once('/').expect("a folder");
        assert!(playlist.contains("#EXT-X-MEDIA-SEQUENCE:1\n") && !playlist.contains("BYTERANGE"), "{playlist}");
        let (before, _) = playlist.split_once("#EXT-X-KEY:METHOD=AES-128,URI=\"../key\"\n").expect("a key");
        assert!(before.contains("#EXT-X-MAP:"), "the initialisation section is sent as it is: {playlist}");
        assert_eq!(get(up, &beside(&master_url, &format!("{folder}/init.mp4"))).body, stored(&format!("{folder}/init.mp4")));
        for (i, segment) in playlist.lines().filter(|line| !line.starts_with('#')).enumerate() {
            let url = beside(&master_url, &format!("{folder}/{segment}"));
            let encrypted = unchunked(&get(up, &url));
            let part = raw(up, "GET", &url, &[("Range", "bytes=20-40")]);
            assert_eq!((part.status, unchunked(&part)), (206, encrypted[20..41].to_vec()), "{url}");
            let plain = decrypted(&key, i as u128 + 1, &encrypted);
            let whole = stored(&format!("{folder}/seg-{:05}.m4s", i + 1));
            match segment.starts_with("iframe-") {
                true => assert!(whole.starts_with(&plain) && plain.len() < whole.len(), "{url}"),
                false => assert!(whole == plain && whole != encrypted, "{url}"),
            }
            opened += 1;
        }
    }
    assert!(opened >= 9, "{opened} were opened");

    world.run("delete from enrollments where account_id = $1", &account_of(&learner).await).await;
    assert_eq!(raw(up, "GET", &key_url, &[("Cookie", &cookie)]).status, 404, "no key for who may no longer see it");
    world.pool.close().await;
}

fn decrypted(key: &[u8; 16], sequence: u128, bytes: &[u8]) -> Vec<u8> {
    let mut chain = cbc::Decryptor::<aes::Aes128>::new(&(*key).into(), &sequence.to_be_bytes().into());
    let mut out = bytes.to_vec();
    for block in out.chunks_exact_mut(16) {
        let block: &mut [u8; 16] = block.try_into().expect("a block");
        chain.decrypt_block(block.into());
    }
    let padding = usize::from(*out.last().expect("bytes"));
    out.truncate(out.len() - padding);
    out
}
