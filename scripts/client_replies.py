#!/usr/bin/env python3
"""Does with a running server what apps do, each with the client that they have, and prints as JSON what came back.

    $(python3 scripts/reference_env.py clients) scripts/client_replies.py http://127.0.0.1:8080 examples/occupations.csv

The clients: openai (sync and async), langchain-openai, huggingface_hub's InferenceClient (sync and async) and
langchain-huggingface. It uploads the pairs, tunes the server's default model on some of them and asks the tuned one.
"""

import asyncio
import csv
import json
import os
import sys
import urllib.request

os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "LANGSMITH_TRACING": "false"}

import openai
from huggingface_hub import AsyncInferenceClient, InferenceClient
from langchain_huggingface import HuggingFaceEndpointEmbeddings
from langchain_openai import OpenAIEmbeddings

TEXTS = ["Data Scientist", "看護師", "a nurse who writes software in Kyoto"]
# The recipe's name is this server's own: without one it takes `recommended`, with more steps than a trial needs.
OURS = {"recipe": "tutorial"}


def refused(call) -> dict:
    """The error that a call ends in, as the app's code sees it."""
    try:
        return {"error": None, "reply": str(call())}
    except openai.APIStatusError as error:
        body = error.body if isinstance(error.body, dict) else {}
        return {"error": type(error).__name__, "status": error.status_code, "body": body,
                "message": body.get("message"), "code": error.code, "param": error.param, "type": error.type}


def vectors(reply) -> list:
    assert [entry.index for entry in reply.data] == list(range(len(reply.data)))
    return [entry.embedding for entry in reply.data]


def over(url: str, job_id: str) -> None:
    """Waits for a job's end, as long as it takes; the server answers when it is over or after a minute."""
    while True:
        with urllib.request.urlopen(f"{url}/jobs/{job_id}?wait=60") as reply:
            if json.load(reply)["is_terminal"]:
                return


def embeddings(client: openai.OpenAI) -> dict:
    create = client.embeddings.create
    reply = create(model="default", input=TEXTS)
    raw = client.embeddings.with_raw_response.create(model="default", input=TEXTS[0])
    return {
        "base64": vectors(reply), "model": reply.model, "usage": reply.usage.to_dict(), "object": reply.object,
        "float": vectors(create(model="default", input=TEXTS, encoding_format="float")),
        "one_text": vectors(create(model="default", input=TEXTS[0], user="someone")),
        "short": vectors(create(model="default", input=TEXTS, dimensions=8)),
        "headers": {name: raw.headers.get(name) for name in ["x-model", "x-model-fingerprint", "x-request-id"]},
    }


async def embeddings_async(url: str) -> list:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        return vectors(await client.embeddings.create(model="default", input=TEXTS))


def errors(client: openai.OpenAI) -> dict:
    create = client.embeddings.create
    return {
        "unknown_model": refused(lambda: create(model="defualt", input="x")),
        "token_ids": refused(lambda: create(model="default", input=[[1271, 57116]])),
        "empty_text": refused(lambda: create(model="default", input=["x", ""])),
        "too_many_dimensions": refused(lambda: create(model="default", input="x", dimensions=5000)),
        "unknown_field": refused(lambda: create(model="default", input="x", extra_body={"temperature": 1})),
        "unknown_route": refused(lambda: client.chat.completions.create(model="default", messages=[])),
        "unknown_file": refused(lambda: client.files.retrieve("ds_none")),
        "unknown_job": refused(lambda: client.fine_tuning.jobs.retrieve("job_none")),
    }


def models(client: openai.OpenAI) -> dict:
    listed = [model.to_dict() for model in client.models.list()]
    return {"list": listed, "one": client.models.retrieve("default").to_dict()}


def files(client: openai.OpenAI, pairs: list) -> tuple[dict, str, str]:
    lines = [json.dumps({"text1": a, "text2": b, "score": float(score)}, ensure_ascii=False) for a, b, score in pairs]
    create = client.files.create
    training = create(file=("training.jsonl", "\n".join(lines[:40]).encode()), purpose="fine-tune")
    validation = create(file=("validation.jsonl", "\n".join(lines[40:60]).encode()), purpose="fine-tune")
    spare = create(file=("spare.csv", b"text1,text2,score\na,b,0.5\n"), purpose="evals")
    chat = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    wrong = b'{"text1": "a", "text2": "b", "score": 0.5}\n{"text1": "a", "text2": "b", "score": "perhaps"}\n{"text1": '
    content = client.files.content(training.id)
    first_page = client.files.list(limit=2)
    told = {
        "training": training.to_dict(), "spare": spare.to_dict(),
        "one": client.files.retrieve(training.id).to_dict(),
        "content_is_what_was_sent": content.read() == "\n".join(lines[:40]).encode(),
        "listed": [file.id for file in client.files.list(limit=1)],  # all pages, one file each
        "first_page": [file.id for file in first_page.data], "has_more": first_page.has_more,
        "evals": [file.id for file in client.files.list(purpose="evals")],
        "deleted": client.files.delete(spare.id).to_dict(),
        "gone": refused(lambda: client.files.retrieve(spare.id)),
        "chat": refused(lambda: create(file=("chat.jsonl", chat), purpose="fine-tune")),
        "wrong_lines": refused(lambda: create(file=("wrong.jsonl", wrong), purpose="fine-tune")),
        "wrong_purpose": refused(lambda: create(file=("x.csv", b"x"), purpose="assistants")),
    }
    return told, training.id, validation.id


def fine_tuning(client: openai.OpenAI, url: str, training: str, validation: str) -> dict:
    jobs = client.fine_tuning.jobs
    job = jobs.create(
        model="default", training_file=training, validation_file=validation, suffix="trial", seed=7,
        method={"type": "supervised",
                "supervised": {"hyperparameters": {"n_epochs": 1, "batch_size": "auto", "learning_rate_multiplier": 2}}},
        metadata={"team": "data", "why": "a trial"}, extra_body=OURS)
    over(url, job.id)
    done = jobs.retrieve(job.id)
    events = list(jobs.list_events(job.id, limit=3))  # all pages
    tuned = client.embeddings.create(model=done.fine_tuned_model, input=TEXTS)
    long = jobs.create(model="default", training_file=training, hyperparameters={"n_epochs": 5000},
                       extra_body=OURS | {"config": {"early_stopping": None}})
    cancelled = jobs.cancel(long.id)
    again = refused(lambda: jobs.cancel(long.id))
    create = lambda **body: refused(lambda: jobs.create(**{"model": "default", "training_file": training} | body))
    known = [model.id for model in client.models.list()]
    checkpoints = [checkpoint.to_dict() for checkpoint in jobs.checkpoints.list(job.id)]
    return {
        "base_kept": refused(lambda: client.models.delete("default")),
        "deleted": client.models.delete(done.fine_tuned_model).to_dict(),
        "gone": refused(lambda: client.models.delete(done.fine_tuned_model)),
        "created": job.to_dict(), "done": done.to_dict(), "tuned": vectors(tuned), "tuned_model": tuned.model,
        "in_models": done.fine_tuned_model in known,
        "events": [event.to_dict() for event in events],
        "checkpoints": checkpoints,
        "cancelled": cancelled.to_dict(), "cancelled_again": again,
        "listed": [entry.id for entry in jobs.list(limit=1)],  # all pages
        "first_page": [entry.id for entry in jobs.list(limit=1).data],
        "of_team": [entry.id for entry in jobs.list(metadata={"team": "data"})],
        "of_nobody": [entry.id for entry in jobs.list(metadata={"team": "none"})],
        "refused": {
            "dpo": create(method={"type": "dpo", "dpo": {}}),
            "integrations": create(integrations=[{"type": "wandb", "wandb": {"project": "x"}}]),
            "no_file": create(training_file="ds_none"),
            "no_model": create(model="gpt-4o-mini"),
            "same_file": create(validation_file=training),
            "epochs": create(hyperparameters={"n_epochs": 0}),
        },
    }


async def hugging_face_async(url: str) -> list:
    client = AsyncInferenceClient(model=f"{url}/embed")
    return (await client.feature_extraction(TEXTS)).tolist()


def hugging_face(url: str) -> dict:
    embed = InferenceClient(model=f"{url}/embed")
    root = InferenceClient(model=url)
    options = {"normalize": True, "truncate": True, "truncation_direction": "left", "dimensions": 8}
    similarity = InferenceClient(model=f"{url}/similarity")
    return {
        "embed": embed.feature_extraction(TEXTS).tolist(),
        "one_text": embed.feature_extraction(TEXTS[0]).tolist(),
        "short": embed.feature_extraction(TEXTS, **options).tolist(),
        "root": root.feature_extraction(TEXTS).tolist(),
        "async": asyncio.run(hugging_face_async(url)),
        "similarity": similarity.sentence_similarity(TEXTS[0], TEXTS[1:]),
        "root_similarity": root.sentence_similarity(TEXTS[0], TEXTS[1:]),
    }


def langchain(url: str) -> dict:
    # Without check_embedding_ctx_length=False it would send token ids of another vocabulary.
    of_openai = OpenAIEmbeddings(base_url=f"{url}/v1", api_key="none", model="default", check_embedding_ctx_length=False)
    # Since 1.2.2 it takes no URL itself.
    of_hugging_face = HuggingFaceEndpointEmbeddings(model="default")
    of_hugging_face.client = InferenceClient(model=f"{url}/embed")
    return {
        "openai": of_openai.embed_documents(TEXTS), "openai_query": of_openai.embed_query(TEXTS[0]),
        "openai_async": asyncio.run(of_openai.aembed_documents(TEXTS)),
        "hugging_face": of_hugging_face.embed_documents(TEXTS),
        "hugging_face_query": of_hugging_face.embed_query(TEXTS[0]),
    }


def main() -> None:
    url, table = sys.argv[1].rstrip("/"), sys.argv[2]
    with open(table, encoding="utf-8") as lines:
        pairs = [row for row in csv.reader(lines)][1:]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    told_of_files, training, validation = files(client, pairs)
    print(json.dumps({
        "texts": TEXTS, "embeddings": embeddings(client), "embeddings_async": asyncio.run(embeddings_async(url)),
        "errors": errors(client), "files": told_of_files, "training": training, "validation": validation,
        "fine_tuning": fine_tuning(client, url, training, validation), "models": models(client),
        "hugging_face": hugging_face(url), "langchain": langchain(url),
    }))


if __name__ == "__main__":
    main()
