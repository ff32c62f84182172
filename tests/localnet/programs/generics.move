/// Type parameters: in structs, functions, vectors, names of types.
module diff::generics;

use std::type_name;

public struct Box<T> has copy, drop, store { value: T }

public struct Pair<A, B> has copy, drop, store { first: A, second: B }

public struct Tag<phantom T> has copy, drop, store { number: u64 }

fun pair<A, B>(first: A, second: B): Pair<A, B> { Pair { first, second } }

fun flip<A, B>(pair: Pair<A, B>): Pair<B, A> { let Pair { first, second } = pair; Pair { first: second, second: first } }

public fun flipped(a: u8, b: u64): Pair<Pair<u64, u8>, Box<vector<u8>>> {
    flip(pair(Box { value: vector[a, a] }, flip(pair(a, b))))
}

fun fill<T: copy + drop>(value: T, count: u64): vector<T> {
    let mut made = vector<T>[];
    let mut i = 0;
    while (i < count) { made.push_back(value); i = i + 1 };
    made
}

fun rotate<T>(items: &mut vector<T>) {
    if (items.length() > 1) { let last = items.pop_back(); items.insert(last, 0) }
}

fun last<T: copy>(items: &vector<T>): T { items[items.length() - 1] }

fun three<T>(a: T, b: T, c: T): vector<T> { vector[a, b, c] }

public fun bytes(a: u8, n: u64): vector<u8> {
    let mut items = fill(a, n);
    items.append(three(1, 2, 3));
    rotate(&mut items);
    let end = last(&items);
    items.push_back(end);
    items
}

public fun boxes(a: u64, n: u64): vector<Box<vector<u64>>> {
    let mut items = fill(Box { value: vector[a] }, n);
    items.append(three(Box { value: vector[] }, Box { value: vector[1, 2] }, Box { value: vector[3] }));
    rotate(&mut items);
    items[0].value.push_back(5);
    let end = last(&items);
    items.push_back(end);
    items
}

public fun words(n: u64): vector<vector<vector<u8>>> { fill(three(b"a", b"", b"xyz"), n) }

public fun wide(a: u256, n: u64): vector<u256> { let mut items = three(a, 0, a / 2); rotate(&mut items); items.append(fill(a, n)); items }

public fun flags(a: bool): Pair<vector<bool>, Tag<Box<u8>>> { pair(three(a, !a, true), Tag { number: 4 }) }

public fun identity<T>(value: T): T { value }

public fun contains<T: copy + drop>(items: vector<T>, item: T): bool { items.contains(&item) && items[0] != item }

public fun name_of<T>(): vector<u8> { type_name::with_original_ids<T>().into_string().into_bytes() }

public fun name_of_pair<A, B>(): vector<u8> { type_name::with_defining_ids<Pair<A, vector<Box<B>>>>().into_string().into_bytes() }

public fun module_of<T>(): vector<u8> { type_name::with_original_ids<T>().module_string().into_bytes() }

public fun id_of<T>(): address { type_name::original_id<T>() }

fun depth<T: drop>(value: T, n: u64): u64 { if (n == 0) { let _ = value; 0 } else 1 + depth(value, n - 1) }

public fun deep(n: u64): u64 { depth(Box { value: n }, n) }
