//! The instructions.

use std::collections::HashMap;

use super::fault::PickleFault;
use super::globals::{self, Global};
use super::heap::{Heap, Object, ObjectId};
use super::input::Input;
use super::{MAX_DEPTH, MAX_OPS, numpy};
use crate::checkpoint::shown;

impl<'a> Heap<'a> {
    /// Reads the one pickle, of at most `limit` bytes, that `bytes` consist of. On failure: the place of the instruction,
    /// and what is wrong.
    pub(in crate::checkpoint) fn load(bytes: &'a [u8], limit: usize) -> Result<Self, (usize, PickleFault)> {
        if bytes.len() > limit {
            return Err((0, PickleFault::Limit { what: "bytes in the pickle", limit }));
        }
        let (heap, rest) = Self::load_first(bytes, limit)?;
        match rest.len() {
            0 => Ok(heap),
            extra => Err((bytes.len() - extra, PickleFault::TrailingBytes { extra })),
        }
    }

    /// Reads the pickle, of at most `limit` bytes, that `bytes` begin with. Also returns the bytes after it.
    pub(in crate::checkpoint) fn load_first(
        bytes: &'a [u8],
        limit: usize,
    ) -> Result<(Self, &'a [u8]), (usize, PickleFault)> {
        let mut machine = Machine {
            input: Input::new(bytes.get(..limit).unwrap_or(bytes)),
            heap: Self::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        for _ in 0..MAX_OPS {
            let at = machine.input.position();
            match machine.step() {
                Ok(Next::More) => {}
                Ok(Next::Stop(root)) => {
                    machine.heap.set_root(root);
                    let rest = bytes.get(machine.input.position()..);
                    return Ok((machine.heap, rest.unwrap_or_default()));
                }
                Err(fault) => return Err((at, fault)),
            }
        }
        let what = "pickle instructions";
        let limit = MAX_OPS;
        Err((machine.input.position(), PickleFault::Limit { what, limit }))
    }
}

/// More than any of the known functions takes.
const MAX_ARGUMENTS: usize = 16;

enum Next {
    More,
    Stop(ObjectId),
}

struct Machine<'a> {
    input: Input<'a>,
    heap: Heap<'a>,
    stack: Vec<ObjectId>,
    /// Heights of the stack at which open lists, tuples and dictionaries begin.
    marks: Vec<usize>,
    memo: HashMap<u32, ObjectId>,
}

impl<'a> Machine<'a> {
    fn step(&mut self) -> Result<Next, PickleFault> {
        let code = self.input.byte()?;
        match code {
            b'.' => return self.pop().map(Next::Stop),
            0x80 => self.protocol()?,
            // The length of a frame only helps readers of streams.
            0x95 => drop(self.input.array::<8>()?),

            b'N' => self.push(Object::None)?,
            0x88 => self.push(Object::Bool(true))?,
            0x89 => self.push(Object::Bool(false))?,
            b'I' | b'L' | b'F' | b'S' | b'V' | b'p' | b'g' => self.text_instruction(code)?,
            b'J' => {
                let value = i32::from_le_bytes(self.input.array()?);
                self.push(Object::Int(value.into()))?;
            }
            b'K' => {
                let value = self.input.byte()?;
                self.push(Object::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.input.array()?);
                self.push(Object::Int(value.into()))?;
            }
            0x8a => self.long::<1>()?,
            0x8b => self.long::<4>()?,
            b'G' => {
                let value = f64::from_be_bytes(self.input.array()?);
                self.push(Object::Float(value))?;
            }
            0x8c => self.text::<1>()?,
            b'X' => self.text::<4>()?,
            0x8d => self.text::<8>()?,
            b'U' => self.text_or_bytes::<1>()?,
            b'T' => self.text_or_bytes::<4>()?,
            b'C' => self.bytes::<1>()?,
            b'B' => self.bytes::<4>()?,
            0x8e => self.bytes::<8>()?,

            b'(' => self.mark()?,
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b')' => self.push(Object::Tuple(Vec::new()))?,
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Tuple(items))?;
            }
            b']' => self.push(Object::List(Vec::new()))?,
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Object::List(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            b'}' => self.push(Object::Dict(Vec::new()))?,
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Dict(Vec::new()))?;
                self.set_items(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }

            b'q' => {
                let index = self.input.byte()?;
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.input.array()?);
                self.remember(index)?;
            }
            // At most a million values are remembered, so the count fits.
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let index = self.input.byte()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.input.array()?);
                self.recall(index)?;
            }

            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.push(Object::Global(Global::find(module, name)?))?;
            }
            0x93 => self.stack_global()?,
            b'Q' => {
                let id = self.pop()?;
                let storage = globals::storage(&self.heap, id)?;
                self.push(Object::Storage(storage))?;
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'i' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                return Err(PickleFault::NotCallable { what: Global::find(module, name)?.to_string() });
            }
            b'o' | 0x81 | 0x92 => return Err(self.refused_instance(code)),
            code => return Err(PickleFault::Opcode { code }),
        }
        Ok(Next::More)
    }

    fn protocol(&mut self) -> Result<(), PickleFault> {
        match self.input.byte()? {
            2..=5 => Ok(()),
            found => Err(PickleFault::Protocol { found }),
        }
    }

    /// The instructions of protocol 0. PyTorch writes none; they are understood so that what they lead to can be named.
    fn text_instruction(&mut self, code: u8) -> Result<(), PickleFault> {
        match code {
            b'I' | b'L' => {
                let value = self.input.number()?;
                self.push(Object::Int(value))
            }
            b'F' => {
                let value = self.input.number()?;
                self.push(Object::Float(value))
            }
            b'p' => {
                let index = self.input.number()?;
                self.remember(index)
            }
            b'g' => {
                let index = self.input.number()?;
                self.recall(index)
            }
            _ => {
                let line = self.input.line()?;
                let text = if code == b'S' { line.trim_matches(['\'', '"']) } else { line };
                self.push(Object::Text(text))
            }
        }
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), PickleFault> {
        let id = self.heap.add(object)?;
        self.stack.push(id);
        Ok(())
    }

    /// How far down the stack an instruction may reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<ObjectId, PickleFault> {
        if self.stack.len() <= self.floor() {
            return Err(PickleFault::EmptyStack);
        }
        self.stack.pop().ok_or(PickleFault::EmptyStack)
    }

    fn top(&self) -> Result<ObjectId, PickleFault> {
        if self.stack.len() <= self.floor() {
            return Err(PickleFault::EmptyStack);
        }
        self.stack.last().copied().ok_or(PickleFault::EmptyStack)
    }

    fn mark(&mut self) -> Result<(), PickleFault> {
        if self.marks.len() == MAX_DEPTH {
            return Err(PickleFault::Limit { what: "values open inside each other", limit: MAX_DEPTH });
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<ObjectId>, PickleFault> {
        let height = self.marks.pop().ok_or(PickleFault::EmptyStack)?;
        Ok(self.stack.split_off(height.min(self.stack.len())))
    }

    fn tuple(&mut self, length: usize) -> Result<(), PickleFault> {
        let start = self.stack.len().checked_sub(length).filter(|start| *start >= self.floor());
        let items = self.stack.split_off(start.ok_or(PickleFault::EmptyStack)?);
        self.push(Object::Tuple(items))
    }

    fn append(&mut self, items: &[ObjectId]) -> Result<(), PickleFault> {
        let list = self.top()?;
        match self.heap.get_mut(list)? {
            Object::List(list) => list.extend_from_slice(items),
            other => {
                return Err(PickleFault::Type { expected: "a list", found: other.describe() });
            }
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[ObjectId]) -> Result<(), PickleFault> {
        let dict = self.top()?;
        let (pairs, odd) = items.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(PickleFault::EmptyStack);
        }
        match self.heap.get_mut(dict)? {
            Object::Dict(dict) => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            other => {
                return Err(PickleFault::Type { expected: "a dictionary", found: other.describe() });
            }
        }
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Result<(), PickleFault> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), PickleFault> {
        let id = self.memo.get(&index).copied().ok_or(PickleFault::Memo { index })?;
        self.stack.push(id);
        Ok(())
    }

    fn text<const N: usize>(&mut self) -> Result<(), PickleFault> {
        let text = self.input.counted_text::<N>()?;
        self.push(Object::Text(text))
    }

    fn bytes<const N: usize>(&mut self) -> Result<(), PickleFault> {
        let bytes = self.input.counted::<N>()?;
        self.push(Object::Bytes(bytes))
    }

    /// Texts and bytes were one type in Python 2, which wrote many of the older checkpoints.
    fn text_or_bytes<const N: usize>(&mut self) -> Result<(), PickleFault> {
        let bytes = self.input.counted::<N>()?;
        self.push(str::from_utf8(bytes).map_or(Object::Bytes(bytes), Object::Text))
    }

    /// A little-endian two's-complement integer of any length.
    fn long<const N: usize>(&mut self) -> Result<(), PickleFault> {
        let digits = self.input.counted::<N>()?;
        let is_negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut value = [if is_negative { 0xff } else { 0 }; 8];
        if digits.len() > value.len() {
            return self.push(Object::BigInt);
        }
        for (to, from) in value.iter_mut().zip(digits) {
            *to = *from;
        }
        self.push(Object::Int(i64::from_le_bytes(value)))
    }

    fn stack_global(&mut self) -> Result<(), PickleFault> {
        let (name, module) = (self.pop()?, self.pop()?);
        let text = |id| {
            let found = || PickleFault::Type { expected: "a name", found: self.heap.get(id).describe() };
            self.heap.text(id).ok_or_else(found)
        };
        let global = Global::find(text(module)?, text(name)?)?;
        self.push(Object::Global(global))
    }

    fn reduce(&mut self) -> Result<(), PickleFault> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Object::Global(global) = *self.heap.get(function) else {
            return Err(PickleFault::NotCallable { what: self.heap.get(function).describe() });
        };
        let arguments = match self.heap.get(arguments) {
            Object::Tuple(items) if items.len() <= MAX_ARGUMENTS => items.clone(),
            other => {
                let found = other.describe();
                return Err(PickleFault::Type { expected: "a tuple of a few arguments", found });
            }
        };
        let result = global.apply(&mut self.heap, &arguments)?;
        self.stack.push(result);
        Ok(())
    }

    /// Attributes for the value below. A state dictionary has some (`_metadata`); they say nothing about its tensors. An
    /// array of NumPy gets its elements this way.
    fn build(&mut self) -> Result<(), PickleFault> {
        let state = self.pop()?;
        let target = self.top()?;
        match (self.heap.get(target), self.heap.get(state)) {
            (Object::Dict(_), Object::Dict(_)) => Ok(()),
            // What this adds to the type matters to records and dates only; its byte order to nothing that is read here.
            (Object::ArrayDtype(_), Object::Tuple(_)) => Ok(()),
            (Object::EmptyArray, state_value) => {
                let found =
                    || PickleFault::Type { expected: "the state of a NumPy array", found: state_value.describe() };
                let array = numpy::array(&self.heap, state).ok_or_else(found)?;
                *self.heap.get_mut(target)? = Object::Array(array);
                Ok(())
            }
            (Object::Dict(_), other) => {
                Err(PickleFault::Type { expected: "a dictionary of attributes", found: other.describe() })
            }
            (other, _) => Err(PickleFault::NotCallable { what: other.describe() }),
        }
    }

    /// An instruction that would make an instance of a class: which class?
    fn refused_instance(&mut self, code: u8) -> PickleFault {
        let class = match code {
            // MARK class arguments.. OBJ
            b'o' => self.pop_to_mark().ok().and_then(|items| items.first().copied()),
            // class arguments NEWOBJ; class arguments keywords NEWOBJ_EX
            _ => {
                let depth = if code == 0x81 { 2 } else { 3 };
                self.stack.len().checked_sub(depth).and_then(|place| self.stack.get(place).copied())
            }
        };
        let what = class.map_or_else(|| shown("nothing"), |id| self.heap.get(id).describe());
        PickleFault::NotCallable { what }
    }
}
