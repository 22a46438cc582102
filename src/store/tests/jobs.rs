use super::*;

/// With the idempotency key that all of them have.
fn keyed(job: JobRequest) -> JobRequest {
    JobRequest { idempotency: Some(("key".to_owned(), "request".to_owned())), ..job }
}

fn ids(jobs: Rows<Job>) -> Vec<String> {
    jobs.into_iter().map(|job| job.job_id).collect()
}

#[tokio::test]
async fn a_job_is_queued_with_all_that_was_said_of_it() {
    let world = World::open().await;
    let benchmark = Dataset { purpose: Purpose::Benchmark, ..table("ds_1") };
    let benchmark = world.store_table(benchmark).await.unwrap().0;
    let replay = world.store_table(table("ds_2")).await.unwrap().0;
    let notes = OpenAiNotes { learning_rate_multiplier: Some(0.5), ..OpenAiNotes::default() };
    let titles = ["nurse".to_owned(), "看護師".to_owned()];
    let new = JobRequest {
        benchmark: Some(benchmark),
        replay: Some(replay),
        titles: titles.to_vec(),
        alias_if: Some(AliasGate::Win),
        openai: Some(notes.clone()),
        ..keyed(world.job_for("prod"))
    };
    let before = now();
    world.insert_job("job_1", "occupations", &new).await.unwrap();
    let job = world.row("job_1").await;
    assert_eq!((job.name.as_str(), job.status, job.phase), ("occupations", Status::Queued, None));
    assert_eq!((job.base_model.as_str(), job.recipe.as_str()), ("base", "tutorial"));
    assert_eq!((job.dataset_id.as_str(), job.dataset_name.as_str()), ("ds_0", "ds_0"));
    assert_eq!((job.benchmark_id.as_deref(), job.replay_id.as_deref()), (Some("ds_1"), Some("ds_2")));
    assert_eq!((&job.config.settings, job.config.unread.len()), (&world.config, 0));
    assert_eq!((job.titles.as_slice(), job.openai), (titles.as_slice(), Some(notes)));
    assert_eq!((job.alias.as_deref(), job.alias_if, job.alias_result), (Some("prod"), Some(AliasGate::Win), None));
    assert_eq!(job.request_sha256.as_deref(), Some("request"));
    assert!((before..=now()).contains(&job.created_at));
    assert_eq!((job.started_at, job.finished_at, job.cancel_requested_at), (None, None, None));
    assert_eq!((job.lease_token, job.attempt, job.crashes, job.progress, job.error), (0, 0, 0, None, None));
    let events = world.events_after("job_1", 0, 10).await.unwrap();
    assert_eq!((events.len(), events[0].seq, events[0].r#type.as_str(), &events[0].data), (1, 1, "queued", &json!({})));
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let world = World::open().await;
    assert!(world.store.job("job_0").await.unwrap().is_none());
    assert!(world.job_of_key("key").await.unwrap().is_none());
    assert_eq!(world.report("job_0").await.unwrap(), None);
    assert!(world.cancel_job("job_0").await.unwrap().is_none());
    assert!(world.events_after("job_0", 0, 10).await.unwrap().is_empty());
    assert!(world.jobs(None, 10).await.unwrap().is_empty());
    assert_eq!(world.training_progress().await.unwrap(), None);
    assert!(world.job_counts().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_unfinished_jobs_never_promise_one_name() {
    let world = World::open().await;
    let job = world.job();
    world.insert_job("job_1", "occupations", &job).await.unwrap();
    let refused = world.insert_job("job_2", "occupations", &job).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Taken { what } if what == "name"), "{refused:?}");
    assert!(world.store.job("job_2").await.unwrap().is_none() && world.told("job_2").await.is_empty());
    world.cancel_job("job_1").await.unwrap();
    world.insert_job("job_2", "occupations", &job).await.unwrap();
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_one_job_for_ever() {
    let world = World::open().await;
    let job = keyed(world.job());
    world.insert_job("job_1", "job_1", &job).await.unwrap();
    world.cancel_job("job_1").await.unwrap();
    let refused = world.insert_job("job_2", "job_2", &job).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Taken { what } if what == "idempotency key"), "{refused:?}");
    let job = world.job_of_key("key").await.unwrap().unwrap();
    assert_eq!((job.job_id.as_str(), job.request_sha256.as_deref()), ("job_1", Some("request")));
}

#[tokio::test]
async fn of_many_requests_with_one_key_one_makes_a_job() {
    let world = World::open().await;
    let ids: Vec<String> = (0..8).map(|number| format!("job_{number}")).collect();
    let job = keyed(world.job());
    let made = futures_util::future::join_all(ids.iter().map(|id| world.insert_job(id, id, &job))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    assert_eq!(world.jobs(None, 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_over_a_dataset_that_was_removed_is_refused_and_leaves_nothing() {
    let world = World::open().await;
    let gone = world.store_table(table("ds_1")).await.unwrap().0;
    world.delete_dataset("ds_1").await.unwrap();
    let replay = Some(gone.clone());
    for new in [JobRequest { dataset: gone, ..world.job() }, JobRequest { replay, ..world.job() }] {
        assert!(matches!(world.insert_job("job_1", "job_1", &new).await.unwrap_err(), StoreError::Gone));
    }
    assert!(world.store.job("job_1").await.unwrap().is_none() && world.told("job_1").await.is_empty());
}

#[tokio::test]
async fn jobs_are_listed_the_newest_first_by_status_and_number() {
    let world = World::open().await;
    world.queue(&["job_1", "job_2", "job_3"]).await;
    world.cancel_job("job_2").await.unwrap();
    let ids = async |status, limit| ids(world.jobs(status, limit).await.unwrap());
    assert_eq!(ids(None, 100).await, ["job_3", "job_2", "job_1"]);
    assert_eq!(ids(None, 2).await, ["job_3", "job_2"]);
    assert_eq!(ids(Some(Status::Queued), 100).await, ["job_3", "job_1"]);
    assert_eq!(ids(Some(Status::Failed), 100).await, [""; 0]);
    let mut counts = world.job_counts().await.unwrap();
    counts.sort_by_key(|(_, count)| *count);
    assert_eq!(counts, [(Status::Cancelled, 1), (Status::Queued, 2)]);
}

#[tokio::test]
async fn a_page_of_jobs_goes_on_after_the_one_before() {
    let world = World::open().await;
    world.queue(&["job_1", "job_2", "job_3"]).await;
    let ids = async |after, limit| ids(world.jobs_page(after, &BTreeMap::new(), limit).await.unwrap());
    assert_eq!(ids(None, 2).await, ["job_3", "job_2"]);
    assert_eq!(ids(Some("job_2"), 2).await, ["job_1"]);
    assert_eq!(ids(Some("job_1"), 2).await, [""; 0]);
}

#[tokio::test]
async fn jobs_are_found_by_all_their_metadata_whatever_its_keys_are() {
    let world = World::open().await;
    let pairs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let odd = [("a.b", "1"), ("$", "2"), ("\"", "3"), ("[0]", "4"), ("職種", "看護師")];
    let notes = OpenAiNotes { metadata: Some(pairs(&odd)), ..OpenAiNotes::default() };
    let job = JobRequest { openai: Some(notes), ..world.job() };
    world.insert_job("job_1", "job_1", &job).await.unwrap();
    world.queue(&["job_2"]).await;
    let found = async |wanted: &[(&str, &str)]| ids(world.jobs_page(None, &pairs(wanted), 10).await.unwrap());
    for pair in odd {
        assert_eq!(found(&[pair]).await, ["job_1"], "{pair:?}");
    }
    assert_eq!(found(&odd).await, ["job_1"]);
    assert_eq!(found(&[("$", "2"), ("\"", "4")]).await, [""; 0]);
    assert_eq!(found(&[]).await, ["job_2", "job_1"]);
}

#[tokio::test]
async fn turns_are_in_the_order_of_posting_whatever_the_clock_said() {
    let world = World::open().await;
    world.queue(&["job_3", "job_1", "job_2"]).await;
    world.alter("update job set created_at = 1 where job_id = 'job_2'").await;
    assert_eq!(world.queued_jobs().await.unwrap(), ["job_3", "job_1", "job_2"]);
    assert_eq!(world.claim_job().await.unwrap().unwrap().job_id, "job_3");
    assert_eq!(world.queued_jobs().await.unwrap(), ["job_1", "job_2"]);
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_is_never_claimed() {
    let world = World::open().await;
    world.queue(&["job_1"]).await;
    let job = world.cancel_job("job_1").await.unwrap().unwrap();
    assert_eq!(job.status, Status::Cancelled);
    assert!(job.status.is_terminal() && job.finished_at.is_some() && job.cancel_requested_at == job.finished_at);
    assert_eq!(world.told("job_1").await, ["queued", "cancelled"]);
    assert!(world.claim_job().await.unwrap().is_none());
    // Once more changes nothing.
    let again = world.cancel_job("job_1").await.unwrap().unwrap();
    assert_eq!((again.status, again.finished_at), (Status::Cancelled, job.finished_at));
    assert_eq!(world.told("job_1").await, ["queued", "cancelled"]);
}

#[tokio::test]
async fn a_running_job_is_asked_to_end_once() {
    let world = World::open().await;
    world.claimed("job_1").await;
    let job = world.cancel_job("job_1").await.unwrap().unwrap();
    assert!(job.status == Status::Running && job.cancel_requested_at.is_some() && job.finished_at.is_none());
    world.alter("update job set cancel_requested_at = 5").await;
    assert_eq!(world.cancel_job("job_1").await.unwrap().unwrap().cancel_requested_at, Some(5));
    assert_eq!(world.told("job_1").await, ["queued", "started"]);
}

#[tokio::test]
async fn a_job_that_is_over_cannot_be_cancelled() {
    let world = World::open().await;
    world.tuned("ft_1").await;
    let job = world.cancel_job("job_1").await.unwrap().unwrap();
    assert_eq!((job.status, job.cancel_requested_at), (Status::Succeeded, None));
}

#[tokio::test]
async fn events_are_numbered_without_a_gap_and_read_from_any_of_them() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    world.claimed("job_2").await;
    for step in 0..4 {
        assert!(world.record_event(&claim, "log", &json!({ "step": step }), None, None).await.unwrap());
    }
    let numbers = |events: Vec<Event>| -> Vec<i64> { events.into_iter().map(|event| event.seq).collect() };
    assert_eq!(numbers(world.events_after("job_1", 0, 100).await.unwrap()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(world.events_after("job_1", 3, 2).await.unwrap()), [4, 5]);
    assert_eq!(numbers(world.events_after("job_1", 6, 2).await.unwrap()), [0; 0]);
    assert_eq!(numbers(world.events_before("job_1", None, 2).await.unwrap()), [6, 5]);
    assert_eq!(numbers(world.events_before("job_1", Some(3), 10).await.unwrap()), [2, 1]);
    assert_eq!(numbers(world.events_after("job_2", 0, 100).await.unwrap()), [1, 2]);
    let event = world.events_after("job_1", 5, 1).await.unwrap().remove(0);
    assert_eq!((event.r#type.as_str(), event.data), ("log", json!({ "step": 3 })));
}

#[tokio::test]
async fn the_present_attempts_events_are_told_apart_from_those_before() {
    let world = World::open().await;
    let first = world.claimed("job_1").await;
    world.record_event(&first, "epoch", &json!({ "epoch": 1 }), None, None).await.unwrap();
    let second = world.claimed_again(&first).await;
    assert!(world.events_of_attempt("job_1", "epoch").await.unwrap().is_empty());
    for (kind, epoch) in [("epoch", 2), ("log", 0), ("epoch", 3)] {
        world.record_event(&second, kind, &json!({ "epoch": epoch }), None, None).await.unwrap();
    }
    let epochs = world.events_of_attempt("job_1", "epoch").await.unwrap();
    assert_eq!(epochs.iter().map(|event| &event.data["epoch"]).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn a_list_of_jobs_reads_no_report() {
    let world = World::open().await;
    world.tuned("ft_1").await;
    // Whoever read it would fail.
    world.alter("update job set report = 'no JSON'").await;
    assert_eq!(world.jobs(None, 10).await.unwrap().len(), 1);
    assert_eq!(world.jobs_page(None, &BTreeMap::new(), 10).await.unwrap().len(), 1);
    assert_eq!(world.row("job_1").await.status, Status::Succeeded);
    assert!(world.report("job_1").await.is_err());
}

#[tokio::test]
async fn a_jobs_row_has_its_datasets_name_and_reads_no_other() {
    let world = World::open().await;
    world.store_table(Dataset { name: "other".to_owned(), ..table("ds_1") }).await.unwrap();
    world.alter("update dataset set name = cast(x'ff' as text) where dataset_id = 'ds_1'").await;
    let claim = world.claimed("job_1").await;
    assert_eq!(claim.dataset_name, "ds_0");
    assert_eq!(world.jobs(None, 10).await.unwrap()[0].dataset_name, "ds_0");
}

#[tokio::test]
async fn a_setting_that_this_program_does_not_know_hides_no_job_and_is_named() {
    let world = World::open().await;
    world.queue(&["job_1", "job_2"]).await;
    world
        .alter(
            r#"update job set config =
               '{"epochs": 7, "frozen": ["table"], "loss": "newer", "early_stopping": {"patience": 9, "mood": 1}}'
                where job_id = 'job_1'"#,
        )
        .await;
    let jobs = world.jobs(None, 10).await.unwrap();
    assert_eq!((jobs.len(), jobs[0].objection()), (2, None));
    let config = &jobs[1].config;
    assert_eq!(config.unread, ["early_stopping.mood", "frozen", "loss"]);
    assert_eq!((config.settings.epochs, config.settings.batch_size), (7, world.config.batch_size));
    assert_eq!(json!(config), json!({ "epochs": 7, "early_stopping": { "patience": 9 } }));
    let objection = jobs[1].objection().unwrap();
    assert_eq!(objection.code, "config_not_usable");
    assert!(objection.message.contains("early_stopping.mood, frozen, loss"), "{}", objection.message);
}

#[tokio::test]
async fn settings_that_cannot_be_read_at_all_are_shown_as_none_and_hide_nothing() {
    let world = World::open().await;
    world.queue(&["job_1"]).await;
    for unreadable in ["update job set config = 'no JSON'", "update job set config = '[1]'"] {
        world.alter(unreadable).await;
        let job = world.jobs(None, 10).await.unwrap().remove(0);
        assert_eq!((&job.config.unread[..], json!(job.config)), (&["config".to_owned()][..], json!({})));
        assert!(job.objection().is_some());
    }
    // It is claimed as any other, so that it ends with its reason.
    assert_eq!(world.claim_job().await.unwrap().unwrap().config.unread, ["config"]);
}

#[tokio::test]
async fn settings_from_before_some_were_there_have_these_by_default() {
    let world = World::open().await;
    world.queue(&["job_1"]).await;
    world.alter(r#"update job set config = '{"epochs": 7}'"#).await;
    let job = world.row("job_1").await;
    assert_eq!(job.config.settings, TrainConfig { epochs: 7, ..TrainConfig::default() });
    assert_eq!((job.objection(), json!(job.config)), (None, json!(job.config.settings)));
}

#[tokio::test]
async fn a_caller_has_no_more_jobs_waiting_than_it_may_and_others_are_not_counted() {
    let world = World::open().await;
    let of = |key: Option<&str>, most_waiting| {
        let caller = JobCaller { key_id: key.map(str::to_owned), most_waiting };
        JobRequest { caller, ..world.job() }
    };
    for key in [Some("key_1"), None] {
        let mut made = Vec::new();
        for number in 1..=3 {
            let id = format!("job_{}{number}", key.unwrap_or_default());
            made.push(world.insert_job(&id, &id, &of(key, Some(2))).await.unwrap());
        }
        assert_eq!(made, [Insertion::Queued, Insertion::Queued, Insertion::TooManyWaiting { waiting: 2 }], "{key:?}");
    }
    assert_eq!(world.insert_job("job_x", "x", &of(Some("key_1"), None)).await.unwrap(), Insertion::Queued);
    assert_eq!(world.insert_job("job_y", "y", &of(Some("key_2"), Some(1))).await.unwrap(), Insertion::Queued);
    // One that runs does not wait.
    let claim = world.claim_job().await.unwrap().unwrap();
    assert_eq!(claim.job_id, "job_key_11");
    world.cancel_job("job_x").await.unwrap();
    assert_eq!(world.insert_job("job_z", "z", &of(Some("key_1"), Some(2))).await.unwrap(), Insertion::Queued);
}
