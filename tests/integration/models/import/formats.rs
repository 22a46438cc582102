//! Every form in which a model is published.

use std::collections::BTreeMap;
use std::io::Write;

use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::json;

use super::{HIDDEN, Place, fingerprint, plain, published, read_json, tensors};
use crate::published::{Stored, modules, stored, write_json, write_weights};

#[test]
fn a_published_folder_becomes_a_models_folder() {
    let place = Place::new();
    let folder = place.path("Tiny Model");
    published(&folder);
    // As a checkpoint of another task has it, written by an early version.
    let mut old: BTreeMap<String, Stored> = BTreeMap::new();
    for (name, tensor) in stored(Dtype::F32, &tensors()) {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        old.insert(format!("bert.{name}"), tensor);
    }
    old.insert("bert.embeddings.position_ids".to_owned(), (Dtype::I64, vec![1, 1], vec![0; 8]));
    old.insert("cls.predictions.bias".to_owned(), (Dtype::F32, vec![2], vec![0; 8]));
    write_weights(&folder.join("model.safetensors"), &old);
    // As the newest versions call the classes, with a module more.
    let of = [
        ("", "sentence_transformers.base.modules.transformer.Transformer"),
        ("1_Pooling", "sentence_transformers.sentence_transformer.modules.pooling.Pooling"),
        ("dense", "sentence_transformers.base.modules.dense.Dense"),
        ("3_Normalize", "sentence_transformers.base.modules.normalize.Normalize"),
    ];
    write_json(&folder.join("modules.json"), &modules(&of));
    let dense = json!({"in_features": HIDDEN, "out_features": 3, "bias": true, "activation_function": "torch.nn.modules.activation.Tanh"});
    write_json(&folder.join("dense/config.json"), &dense);
    let weights = BTreeMap::from([
        ("linear.weight".to_owned(), (vec![3, HIDDEN], (0..24).map(|n| n as f32 / 32.0).collect())),
        ("linear.bias".to_owned(), (vec![3], vec![0.5; 3])),
    ]);
    write_weights(&folder.join("dense/model.safetensors"), &stored(Dtype::F16, &weights));

    let said = place.imported("Tiny Model", &[]);
    assert!(said.contains("tiny-model: 3 dimensions"), "{said}");
    let made = place.model("tiny-model");
    let types: Vec<String> = read_json(&made.join("modules.json"))
        .as_array()
        .unwrap()
        .iter()
        .map(|module| format!("{} {}", module["path"].as_str().unwrap(), module["type"].as_str().unwrap()))
        .collect();
    let expected = [
        " sentence_transformers.models.Transformer",
        "1_Pooling sentence_transformers.models.Pooling",
        "2_Dense sentence_transformers.models.Dense",
        "3_Normalize sentence_transformers.models.Normalize",
    ];
    assert_eq!(types, expected);
    for (file, expected) in [("model.safetensors", tensors()), ("2_Dense/model.safetensors", weights)] {
        let bytes = std::fs::read(made.join(file)).unwrap();
        let found = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(found.names().len(), expected.len());
        for (name, stored) in stored(Dtype::F32, &expected) {
            let tensor = found.tensor(&name).unwrap();
            assert_eq!((tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()), stored, "{name}");
        }
    }
    let again = place.import("Tiny Model", &[]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is a model of this id already"));
}

#[test]
fn archives_shards_and_all_float_types_give_the_same_model() {
    let place = Place::new();
    let folder = place.path("tiny");
    published(&folder);
    place.imported("tiny", &[]);
    let expected = fingerprint(&place.model("tiny"));

    for dtype in [Dtype::F16, Dtype::BF16, Dtype::F64] {
        write_weights(&folder.join("model.safetensors"), &stored(dtype, &tensors()));
        let name = format!("{dtype:?}");
        place.imported("tiny", &["--name", &name]);
        assert_eq!(fingerprint(&place.model(&name)), expected, "{name}");
    }

    let (mut shards, mut map) = (vec![BTreeMap::new(), BTreeMap::new()], serde_json::Map::new());
    for (place, (name, tensor)) in stored(Dtype::F32, &tensors()).into_iter().enumerate() {
        map.insert(name.clone(), format!("model-{}.safetensors", place % 2).into());
        shards[place % 2].insert(name, tensor);
    }
    std::fs::remove_file(folder.join("model.safetensors")).unwrap();
    for (place, shard) in shards.iter().enumerate() {
        write_weights(&folder.join(format!("model-{place}.safetensors")), shard);
    }
    write_json(&folder.join("model.safetensors.index.json"), &json!({"metadata": {}, "weight_map": map}));
    place.imported("tiny", &["--name", "shards"]);
    assert_eq!(fingerprint(&place.model("shards")), expected);

    let mut zip = zip::ZipWriter::new(std::fs::File::create(place.path("z.zip")).unwrap());
    for file in ["config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json"] {
        zip.start_file(format!("top/{file}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&std::fs::read(folder.join(file)).unwrap()).unwrap();
    }
    write_weights(&folder.join("model.safetensors"), &stored(Dtype::F32, &tensors()));
    zip.start_file("top/model.safetensors", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&std::fs::read(folder.join("model.safetensors")).unwrap()).unwrap();
    zip.start_file("__MACOSX/._top", zip::write::SimpleFileOptions::default()).unwrap();
    zip.finish().unwrap();

    let mut tar = tar::Builder::new(std::fs::File::create(place.path("t.tar")).unwrap());
    tar.append_dir_all(".", &folder).unwrap();
    tar.into_inner().unwrap();
    let packed = std::fs::File::create(place.path("g.tgz")).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(packed, flate2::Compression::fast()));
    tar.append_dir_all("top", &folder).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    for (archive, id) in [("z.zip", "z"), ("t.tar", "t"), ("g.tgz", "g")] {
        place.imported(archive, &[]);
        assert_eq!(fingerprint(&place.model(id)), expected, "{archive}");
    }
}

#[test]
fn a_plain_transformer_is_pooled_as_it_is_asked_to() {
    let place = Place::new();
    plain(&place.path("tiny"));
    let said = place.imported("tiny", &[]);
    assert!(said.contains("no modules.json: the mean"), "{said}");
    let pooling = |id: &str| read_json(&place.model(id).join("1_Pooling/config.json"));
    assert_eq!(pooling("tiny")["pooling_mode_mean_tokens"], true);
    place.imported("tiny", &["--name", "first", "--pooling", "cls"]);
    let first = pooling("first");
    assert_eq!((&first["pooling_mode_cls_token"], &first["pooling_mode_mean_tokens"]), (&true.into(), &false.into()));
    assert_eq!(first["word_embedding_dimension"], HIDDEN);
    assert_ne!(fingerprint(&place.model("tiny")), fingerprint(&place.model("first")));
}
