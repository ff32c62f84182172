/// Vectors: each operation, at its edges.
module diff::vectors;

public struct Item has copy, drop, store { number: u64, bytes: vector<u8> }

public fun items(n: u64): vector<Item> { vector::tabulate!(n, |i| Item { number: i, bytes: vector::tabulate!(i, |j| j as u8) }) }

public fun numbers(n: u64): vector<u64> { vector::tabulate!(n, |i| i * i) }

public fun at(n: u64, i: u64): u64 { numbers(n)[i] }

public fun at_item(n: u64, i: u64): Item { *vector::borrow(&items(n), i) }

public fun byte_at(bytes: vector<u8>, i: u64): u8 { bytes[i] }

public fun set(n: u64, i: u64, value: u64): vector<u64> { let mut v = numbers(n); *&mut v[i] = value; v }

public fun set_byte(mut bytes: vector<u8>, i: u64, value: u8): vector<u8> { *&mut bytes[i] = value; bytes }

public fun swap(n: u64, i: u64, j: u64): vector<Item> { let mut v = items(n); v.swap(i, j); v }

public fun swap_bytes(mut bytes: vector<u8>, i: u64, j: u64): vector<u8> { bytes.swap(i, j); bytes }

public fun pop(n: u64, count: u64): vector<u64> { let mut v = numbers(n); let mut i = 0; while (i < count) { v.pop_back(); i = i + 1 }; v }

public fun pop_byte(mut bytes: vector<u8>): u8 { bytes.pop_back() }

public fun remove(n: u64, i: u64): vector<Item> { let mut v = items(n); let gone = v.remove(i); v.push_back(gone); v }

public fun swap_remove(n: u64, i: u64): vector<Item> { let mut v = items(n); v.swap_remove(i); v }

public fun insert(n: u64, i: u64): vector<Item> { let mut v = items(n); v.insert(Item { number: 99, bytes: b"!" }, i); v }

public fun insert_byte(mut bytes: vector<u8>, value: u8, i: u64): vector<u8> { bytes.insert(value, i); bytes }

public fun reverse(n: u64): vector<Item> { let mut v = items(n); v.reverse(); v }

public fun append(a: vector<u8>, b: vector<u8>): vector<u8> { let mut v = a; v.append(b); v.append(a); v }

public fun find(bytes: vector<u8>, byte: u8): u64 { let (found, at) = bytes.index_of(&byte); if (found) at else 1000 }

public fun has(n: u64, number: u64): bool { items(n).contains(&Item { number, bytes: vector::tabulate!(number, |j| j as u8) }) }

public fun sum(n: u64): u64 { numbers(n).fold!(0, |a, b| a + b) }

public fun chosen(n: u64, limit: u64): vector<u64> { numbers(n).filter!(|x| *x > limit).map!(|x| x + 1) }

public fun skip(n: u64, count: u64): vector<u64> { numbers(n).skip(count) }

public fun take(n: u64, count: u64): vector<u64> { numbers(n).take(count) }

public fun empty(n: u64): u64 { items(n).destroy_empty(); n }

public fun pushed(n: u64): vector<u8> { let mut v = vector[]; n.do!(|i| v.push_back((i % 256) as u8)); v }

public fun flatten(n: u64): vector<u64> { vector::tabulate!(n, |i| numbers(i)).flatten() }

public fun less(a: vector<u8>, b: vector<u8>): vector<bool> { vector[a == b, a != b, a.length() < b.length(), a.is_empty()] }

public fun literal(a: u8): vector<vector<u8>> { vector[vector[], vector[a], vector[a, a + 1], x"ff00", b"text"] }

public fun sorted(mut v: vector<u16>): vector<u16> { v.insertion_sort_by!(|a, b| *a <= *b); v }
