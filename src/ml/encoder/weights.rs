//! Named tensors in safetensors files.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, TensorInfo, View};
use tch::{Kind, Tensor};

use crate::ml::files::write_new;
use crate::ml::memory::{self, MappedMatrix};
use crate::ml::{Error, Result, pulse};

/// A safetensors file, opened and checked: header, ranges, sizes.
#[derive(Debug)]
pub(crate) struct WeightFile {
    path: PathBuf,
    map: Mmap,
    /// Whether that is memory of this process and not the file.
    in_memory: bool,
    metadata: Metadata,
    /// Where the tensors' bytes begin.
    data: usize,
}

impl WeightFile {
    /// Maps a file and checks its header against its length.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        pulse::beat();
        let file = File::open(path).map_err(|error| Error::file(path, error))?;
        let map = memory::map(&file).map_err(|error| Error::file(path, error))?;
        Self::of(path, map, false)
    }

    /// The same of a file's bytes.
    pub(crate) fn of(path: &Path, map: Mmap, in_memory: bool) -> Result<Self> {
        let (length, metadata) = safetensors::SafeTensors::read_metadata(&map)
            .map_err(|error| Error::model(path, format!("not a whole safetensors file: {error}")))?;
        Ok(Self { path: path.to_owned(), map, in_memory, metadata, data: length + 8 })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// A tensor of any type as it stands in the file.
    pub(crate) fn raw(&self, name: &str) -> Result<(&TensorInfo, &[u8])> {
        let info = self.find(name)?;
        Ok((info, self.bytes(info)))
    }

    fn find(&self, name: &str) -> Result<&TensorInfo> {
        let info = self.metadata.info(name);
        info.ok_or_else(|| Error::model(&self.path, format!("the tensor {name:?} is missing")))
    }

    fn info(&self, name: &str, dtype: Dtype, dimensions: usize) -> Result<&TensorInfo> {
        let info = self.find(name)?;
        if info.dtype != dtype || info.shape.len() != dimensions {
            let found = format!("{:?} {:?}", info.dtype, info.shape);
            return Err(Error::model(&self.path, format!("the tensor {name:?} is {found}, not {dtype:?}")));
        }
        Ok(info)
    }

    /// Where a tensor's bytes are in the file.
    pub(crate) fn range(&self, name: &str) -> Result<Range<u64>> {
        let span = self.span(self.find(name)?);
        Ok(span.start as u64..span.end as u64)
    }

    fn span(&self, info: &TensorInfo) -> Range<usize> {
        self.data + info.data_offsets.0..self.data + info.data_offsets.1
    }

    fn bytes(&self, info: &TensorInfo) -> &[u8] {
        &self.map[self.span(info)]
    }

    /// A float32 tensor of the expected shape, copied into memory of its own.
    pub(crate) fn floats(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let info = self.info(name, Dtype::F32, shape.len())?;
        let found = shape_of(info);
        if found != shape {
            return Err(Error::model(&self.path, format!("the tensor {name:?} is {found:?}, not {shape:?}")));
        }
        Ok(Tensor::f_from_data_size(self.bytes(info), shape, Kind::Float)?)
    }

    /// A one-dimensional int64 tensor's numbers.
    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let info = self.info(name, Dtype::I64, 1)?;
        Ok(self.bytes(info).as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
    }

    /// Copies of all float32 and int64 tensors.
    pub(crate) fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let tensor = |(name, info): (String, &TensorInfo)| {
            let tensor = match info.dtype {
                Dtype::I64 => Tensor::from_slice(&self.integers(&name)?),
                _ => self.floats(&name, &shape_of(info))?,
            };
            Ok((name, tensor))
        };
        self.metadata.tensors().into_iter().map(tensor).collect()
    }

    /// Numbers of all float32 tensors but the largest, which is a model's table or larger than that.
    pub(crate) fn numbers_beside_the_largest(&self) -> usize {
        let infos = self.metadata.tensors().into_values().filter(|info| info.dtype == Dtype::F32);
        let sizes: Vec<usize> = infos.map(|info| info.shape.iter().product()).collect();
        sizes.iter().sum::<usize>() - sizes.iter().max().copied().unwrap_or_default()
    }

    /// A float32 matrix where it is. What else was read of the file is given back.
    pub(crate) fn into_matrix(mut self, name: &str) -> Result<MappedMatrix> {
        let info = self.info(name, Dtype::F32, 2)?;
        let (span, rows, columns) = (self.span(info), info.shape[0] as i64, info.shape[1] as i64);
        if self.in_memory {
            memory::keep_only(&mut self.map, span.clone());
        }
        MappedMatrix::new(Arc::new(self.map), span, rows, columns)
            .ok_or_else(|| Error::model(&self.path, format!("the tensor {name:?} is not aligned")))
    }
}

fn shape_of(info: &TensorInfo) -> Vec<i64> {
    info.shape.iter().map(|&size| size as i64).collect()
}

/// A tensor on its way into a safetensors file, as little-endian bytes.
pub(crate) struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    /// Float32 numbers in row-major order.
    pub(crate) fn floats(shape: &[usize], numbers: impl IntoIterator<Item = f32>) -> Self {
        let mut bytes = Vec::with_capacity(shape.iter().product::<usize>() * 4);
        for number in numbers {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        Self { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    pub(crate) fn integers(numbers: &[i64]) -> Self {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { dtype: Dtype::I64, shape: vec![numbers.len()], bytes }
    }

    /// A float32 tensor of libtorch's.
    pub(crate) fn tensor(tensor: &Tensor) -> Result<Self> {
        let shape: Vec<usize> = tensor.size().iter().map(|&size| size as usize).collect();
        let numbers = Vec::<f32>::try_from(tensor.detach().to_kind(Kind::Float).reshape(-1))?;
        Ok(Self::floats(&shape, numbers))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl View for &Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes tensors to a new file and sees it onto the disk.
pub(crate) fn write(path: &Path, tensors: &BTreeMap<String, Stored>) -> Result<()> {
    let bytes = safetensors::serialize(tensors, None)
        .map_err(|error| Error::model(path, format!("cannot be written: {error}")))?;
    write_new(path, &bytes)
}

/// Writes float32 and int64 tensors to a new file.
pub(crate) fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let mut stored = BTreeMap::new();
    for (name, tensor) in tensors {
        let bytes = match tensor.kind() {
            Kind::Int64 => Stored::integers(&Vec::<i64>::try_from(tensor)?),
            _ => Stored::tensor(tensor)?,
        };
        stored.insert(name.clone(), bytes);
    }
    write(path, &stored)
}

/// Reads what [`write_tensors`] wrote.
pub(crate) fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    WeightFile::open(path)?.tensors()
}
