//! Segments that are not made yet.

use kernel::events::Cause;
use kernel::id::{AssetId, JobId};
use kernel::pipeline::EncodeRun;
use kernel::store::{Key, Prefix};
use serde_json::{Value, json};

use super::{World, send};

/// A stream of two runs of pictures, of which only the first is made, and the job of the second.
async fn in_the_making(world: &World) -> (AssetId, Prefix, JobId) {
    let id = world.video(world.published).await;
    let prefix: String =
        sqlx::query_scalar("select prefix from streams where asset_id = $1").bind(id.0).fetch_one(&world.test.env.db).await.unwrap();
    world.run("update streams set complete = false where asset_id = $1", id).await;
    world.run("insert into encodings (asset_id, prefix, plan) select asset_id, prefix, '{}' from streams where asset_id = $1", id).await;
    for (number, first, made) in [(0, 1, Some(json!({}))), (1, 3, None)] {
        sqlx::query("insert into runs (prefix, number, first, sound, made) values ($1, $2, $3, false, $4)")
            .bind(&prefix)
            .bind(number)
            .bind(first)
            .bind(made)
            .execute(&world.test.env.db)
            .await
            .unwrap();
    }
    let mut conn = world.test.env.db.acquire().await.unwrap();
    let other = world.test.asset(&world.owner, world.published, "other.mp4", b"other").await;
    for (asset_id, number) in [(other, 0), (id, 1)] {
        kernel::jobs::enqueue(&mut conn, EncodeRun { asset_id, number, of: 2 }, &Cause::default()).await.unwrap();
    }
    let job: uuid::Uuid = sqlx::query_scalar("select id from jobs where asset_id = $1 and kind = 'EncodeRun'")
        .bind(id.0)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    (id, Prefix::parse(&prefix).unwrap(), JobId(job))
}

#[tokio::test]
async fn a_segment_that_is_not_made_yet_is_made_next_and_waited_for() {
    let world = World::new().await;
    let (id, prefix, job) = in_the_making(&world).await;
    let env = &world.test.env;
    let path = format!("{}/640x360/seg-00004.m4s", crate::delivery::folder(env, world.owner.account_id, id, &prefix, env.clock.now()));
    let app = crate::delivery::router().with_state(env.clone());
    let wait = send(&app, "GET", &path, Value::Null, &[]);
    let make = async {
        let first = "select id from jobs where kind = 'EncodeRun' and lane = 'interactive' and state = 'queued' order by turn limit 1";
        world
            .test
            .until("its run is at the front", async || {
                let id: Option<uuid::Uuid> = sqlx::query_scalar(first).fetch_optional(&env.db).await.unwrap();
                id == Some(job.0)
            })
            .await;
        env.store.put(&Key::in_prefix(&prefix, "640x360/seg-00004.m4s").unwrap(), "pictures".into()).await.unwrap();
    };
    let (answer, ()) = futures::future::join(wait, make).await;
    assert_eq!(answer.status, 200);
    // Of a run that is made nothing comes any more, and nobody waits for a run that was given up.
    for (segment, given_up) in [("seg-00002", false), ("seg-00005", true)] {
        if given_up {
            sqlx::query("update jobs set state = 'cancelled', ended_at = now() where id = $1").bind(job.0).execute(&env.db).await.unwrap();
        }
        let missing = send(&app, "GET", &path.replace("seg-00004", segment), Value::Null, &[]).await;
        assert_eq!(missing.status, 404, "{segment}");
    }
}

#[tokio::test]
async fn a_kept_version_is_nobodys_to_watch_however_well_they_remember_its_address() {
    let world = World::new().await;
    let id = world.video(world.published).await;
    let env = &world.test.env;
    let kept = Prefix::attempt(id, JobId::new(), 1);
    env.store.put(&Key::in_prefix(&kept, "640x360/seg-00001.m4s").unwrap(), "pictures".into()).await.unwrap();
    let app = crate::delivery::router().with_state(env.clone());
    let folder = |stream: &Prefix| crate::delivery::folder(env, world.learner.account_id, id, stream, env.clock.now());
    let (own, other) = (folder(&kept), folder(&Prefix::attempt(id, JobId::new(), 1)));
    let version = own.rsplit('/').next().unwrap();
    let borrowed = format!("{}/{version}", other.rsplit_once('/').unwrap().0);
    assert_eq!(send(&app, "GET", &format!("{borrowed}/640x360/seg-00001.m4s"), Value::Null, &[]).await.status, 403);
    // With a token from the time when it was shown one may finish what is loaded.
    assert_eq!(send(&app, "GET", &format!("{own}/640x360/seg-00001.m4s"), Value::Null, &[]).await.status, 200);
    assert_eq!(send(&app, "GET", &format!("{own}/master.m3u8"), Value::Null, &[]).await.status, 404);
}
