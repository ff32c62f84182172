/// Dynamic fields and what is made of them, objects and their ids.
module diff::fields;

use sui::bag;
use sui::dynamic_field as df;
use sui::dynamic_object_field as dof;
use sui::object_table;
use sui::table;
use sui::vec_map;
use sui::vec_set;

public struct Key has copy, drop, store { number: u64, text: vector<u8> }

public struct Thing has key, store { id: UID, number: u64 }

public fun in_table(n: u64, look: u64, ctx: &mut TxContext): vector<u64> {
    let mut t = table::new<u64, vector<u64>>(ctx);
    n.do!(|i| t.add(i, vector[i, i * 2]));
    let copied = if (t.contains(look)) *&t[look] else vector[];
    if (t.contains(look)) t[look].push_back(77);
    let mut found = if (t.contains(look)) t.remove(look) else vector[t.length()];
    found.append(copied);
    n.do!(|i| if (t.contains(i)) { t.remove(i); });
    t.destroy_empty();
    found
}

public fun missing(n: u64, look: u64, ctx: &mut TxContext): u64 {
    let mut t = table::new<u64, u64>(ctx);
    n.do!(|i| t.add(i, i));
    let found = t[look];
    t.drop();
    found
}

public fun not_there(look: u64, ctx: &mut TxContext): u64 {
    let mut t = table::new<u64, u64>(ctx);
    t.add(1, 5);
    let found = t.remove(look);
    t.drop();
    found
}

public fun again(a: u64, b: u64, ctx: &mut TxContext): u64 {
    let mut t = table::new<Key, u64>(ctx);
    t.add(Key { number: a, text: b"x" }, 1);
    t.add(Key { number: b, text: b"x" }, 2);
    let found = t[Key { number: a, text: b"x" }];
    t.drop();
    found
}

public fun full(n: u64, ctx: &mut TxContext): u64 {
    let mut t = table::new<u64, u64>(ctx);
    n.do!(|i| t.add(i, i));
    t.destroy_empty();
    n
}

public fun typed(as_u8: bool, ctx: &mut TxContext): u64 {
    let mut id = object::new(ctx);
    df::add(&mut id, b"name", 5u64);
    let found = if (as_u8) (*df::borrow<vector<u8>, u8>(&id, b"name") as u64) else *df::borrow<vector<u8>, u64>(&id, b"name");
    let (a, b) = (df::exists_with_type<vector<u8>, u8>(&id, b"name"), df::exists_(&id, b"name"));
    let _: u64 = df::remove(&mut id, b"name");
    let c = df::exists_(&id, b"name");
    id.delete();
    found + (if (a) 100 else 0) + (if (b) 1000 else 0) + (if (c) 10000 else 0)
}

public fun in_bag(n: u64, ctx: &mut TxContext): vector<u64> {
    let mut b = bag::new(ctx);
    b.add(n, b"bytes");
    b.add(b"k", n);
    b.add(true, Key { number: n, text: b"t" });
    let number: &mut u64 = &mut b[b"k"];
    *number = *number + 1;
    let bytes: vector<u8> = b.remove(n);
    let key: Key = b.remove(true);
    let found = vector[b.length(), bytes.length(), key.number, b[b"k"]];
    let _: u64 = b.remove(b"k");
    b.destroy_empty();
    found
}

public fun objects(n: u64, ctx: &mut TxContext): vector<address> {
    let mut t = object_table::new<u64, Thing>(ctx);
    n.do!(|i| t.add(i, Thing { id: object::new(ctx), number: i }));
    let mut found = vector[];
    n.do!(|i| {
        let thing = &mut t[i];
        thing.number = thing.number + 1;
        found.push_back(object::id_address(thing));
        found.push_back(t.value_id(i).destroy_some().to_address());
        let Thing { id, number } = t.remove(i);
        assert!(number == i + 1, 5);
        id.delete();
    });
    t.destroy_empty();
    found
}

public fun ids(n: u64, ctx: &mut TxContext): vector<address> { vector::tabulate!(n, |_| ctx.fresh_object_address()) }

public fun child(n: u64, ctx: &mut TxContext): vector<address> {
    let mut id = object::new(ctx);
    let thing = Thing { id: object::new(ctx), number: n };
    let thing_id = thing.id.to_address();
    dof::add(&mut id, Key { number: n, text: b"k" }, thing);
    let seen = dof::id(&id, Key { number: n, text: b"k" }).destroy_some().to_address();
    let mut thing: Thing = dof::remove(&mut id, Key { number: n, text: b"k" });
    df::add(&mut thing.id, 1u8, vector[n]);
    let list: &mut vector<u64> = df::borrow_mut(&mut thing.id, 1u8);
    list.push_back(4);
    let list: vector<u64> = df::remove(&mut thing.id, 1u8);
    let Thing { id: inner, number } = thing;
    let found = vector[seen, thing_id, id.to_address(), sui::address::from_u256((number + list.length()) as u256), ctx.sender()];
    inner.delete();
    id.delete();
    found
}

public fun derived(n: u64): address { sui::derived_object::derive_address(object::id_from_address(@0x7), Key { number: n, text: b"" }) }

public fun map(n: u64, look: u64): vector<u64> {
    let mut m = vec_map::empty<u64, vector<u8>>();
    n.do!(|i| m.insert(i * 3, vector[i as u8]));
    let (_, gone) = m.remove(&look);
    let (keys, values) = m.into_keys_values();
    let mut found = keys;
    found.push_back(gone.length());
    found.push_back(values.length());
    found
}

public fun set(n: u64, again: u64): vector<u64> { let mut s = vec_set::empty(); n.do!(|i| s.insert(i)); s.insert(again); s.into_keys() }


public fun derived_plain(n: u64): address { sui::derived_object::derive_address(object::id_from_address(@0x7), n) }

public fun derived_vector(n: u64): address { sui::derived_object::derive_address(object::id_from_address(@0x7), vector[n]) }
