// Writes one line "name hex" for each kind of object that the Java reader knows, by the JDK itself:
//   javac -d out Objects.java && java -cp out Objects > objects.txt        (JDK 17.0.15)
import java.io.*;
import java.math.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.Stream;

public class Objects {
  enum Role { ADMIN, EDITOR { public String toString() { return "ed"; } } }
  static class Base implements Serializable { int id = 7; private String name = "base"; }
  static class Sub extends Base {
    private String name = "sub"; boolean on = true; byte b = -1; char c = 'é'; double d = 1.5; float f = 0.5f; long l = 1L << 40; short s = -300;
    transient int t = 9; Object self; int[] ints = {1, -2}; byte[] raw = {1, 2}; String[][] grid = {{"a"}, {}}; Role role = Role.ADMIN;
  }
  static class Custom implements Serializable {
    int a = 1;
    private void writeObject(ObjectOutputStream o) throws IOException { o.defaultWriteObject(); o.writeInt(99); o.writeObject("extra"); o.write(new byte[300]); }
  }
  static class Own extends HashMap<String, Object> { int extra = 1; }
  public static class Ext implements Externalizable {
    public void writeExternal(ObjectOutput o) throws IOException { o.writeInt(5); o.writeObject("x"); }
    public void readExternal(ObjectInput i) {}
  }
  interface Greets extends Serializable { String hi(); }
  static class Handler implements java.lang.reflect.InvocationHandler, Serializable {
    public Object invoke(Object p, java.lang.reflect.Method m, Object[] a) { return null; }
  }
  static class Bad implements Serializable {
    private void writeObject(ObjectOutputStream o) throws IOException { throw new NotSerializableException("no"); }
  }

  static void line(String name, byte[] bytes) {
    StringBuilder h = new StringBuilder(name).append(' ');
    for (byte x : bytes) h.append(String.format("%02x", x));
    System.out.println(h);
  }
  static void put(String name, Object o) throws Exception {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    try (ObjectOutputStream s = new ObjectOutputStream(b)) { s.writeObject(o); }
    line(name, b.toByteArray());
  }
  @SuppressWarnings("unchecked")
  static <M extends Map<?, ?>> M fill(M m, Object... kv) { for (int i = 0; i < kv.length; i += 2) ((Map<Object, Object>) m).put(kv[i], kv[i + 1]); return m; }

  public static void main(String[] z) throws Exception {
    put("null", null); put("string", "Åz\0\uD83D\uDE00"); put("lone-surrogate", "\uD83D");
    put("byte", (byte) -3); put("short", (short) -3); put("int", 42); put("long", 9007199254740993L); put("char", 'é'); put("bool", true); put("float", 0.5f); put("double", 1.5);
    put("atomic-int", new AtomicInteger(6)); put("atomic-long", new AtomicLong(5)); put("enum", Role.ADMIN); put("enum-body", Role.EDITOR); put("class", String.class);

    put("array-list", new ArrayList<>(List.of("a", 1))); put("linked-list", new LinkedList<>(List.of("a", 1))); put("vector", new Vector<>(List.of("a", 1)));
    Stack<Object> stack = new Stack<>(); stack.push("a"); stack.push(1); put("stack", stack); put("as-list", Arrays.asList("a", 1)); put("array", new Object[] {"a", 1});
    put("array-deque", new ArrayDeque<>(List.of("a", 1))); put("cow-list", new CopyOnWriteArrayList<>(List.of("a", 1))); put("cow-set", new CopyOnWriteArraySet<>(List.of("a", 1)));
    put("list-of", List.of("a", 1)); put("to-list", Stream.of("a", 1).toList()); put("unmodifiable-list", Collections.unmodifiableList(new ArrayList<>(List.of("a", 1))));
    put("unmodifiable-linked", Collections.unmodifiableList(new LinkedList<>(List.of("a", 1)))); put("synchronized-list", Collections.synchronizedList(new ArrayList<>(List.of("a", 1))));
    put("checked-list", Collections.checkedList(new ArrayList<>(List.of("a", 1)), Object.class)); put("priority-queue", new PriorityQueue<>(List.of("a", "b")));

    put("hash-set", new HashSet<>(List.of("a"))); put("linked-set", new LinkedHashSet<>(List.of("a"))); put("tree-set", new TreeSet<>(List.of("a"))); put("set-of", Set.of("a"));
    put("enum-set", EnumSet.of(Role.ADMIN)); Set<Object> s = Collections.newSetFromMap(new HashMap<>()); s.add("a"); put("set-from-map", s);
    put("unmodifiable-set", Collections.unmodifiableSet(new HashSet<>(List.of("a")))); put("single-list", Collections.singletonList("a")); put("single-set", Collections.singleton("a"));
    put("empty-list", Collections.emptyList()); put("empty-set", Collections.emptySet()); put("list-of-none", List.of()); put("empty-map", Collections.emptyMap());

    put("hash-map", fill(new HashMap<>(), "k", 1)); put("linked-map", fill(new LinkedHashMap<>(), "k", 1)); put("tree-map", fill(new TreeMap<>(), "k", 1)); put("hashtable", fill(new Hashtable<>(), "k", 1));
    put("concurrent-map", fill(new ConcurrentHashMap<>(), "k", 1)); put("skip-list-map", fill(new ConcurrentSkipListMap<>(), "k", 1)); put("identity-map", fill(new IdentityHashMap<>(), "k", 1));
    put("properties", fill(new Properties(), "k", 1)); put("map-of", Map.of("k", 1)); put("single-map", Collections.singletonMap("k", 1)); put("own-map", fill(new Own(), "k", 1));
    put("unmodifiable-map", Collections.unmodifiableMap(fill(new HashMap<>(), "k", 1))); put("synchronized-map", Collections.synchronizedMap(fill(new HashMap<>(), "k", 1)));
    put("enum-map", fill(new EnumMap<>(Role.class), Role.ADMIN, 1)); put("int-keys", fill(new HashMap<>(), 5, "v")); put("null-key", fill(new HashMap<>(), null, "v")); put("map-of-two", fill(new TreeMap<>(), "a", 1, "b", 2));

    put("uuid", UUID.fromString("7f9c24e5-1c2b-4b1f-9d0e-8a1d2c3b4e5f")); put("date", new Date(1700000000123L)); put("date-before", new Date(-1L)); put("sql-timestamp", new java.sql.Timestamp(1700000000123L));
    put("instant", Instant.parse("2023-11-14T22:13:20.123Z")); put("duration", Duration.ofMillis(-1500)); put("local-date", LocalDate.of(2023, 2, 28)); put("time", LocalTime.of(9, 5));
    put("time-hour", LocalTime.of(9, 0)); put("time-second", LocalTime.of(9, 0, 7)); put("time-nano", LocalTime.of(9, 0, 0, 7)); put("local-date-time", LocalDateTime.of(2023, 2, 28, 23, 59, 58));
    put("zoned", ZonedDateTime.of(2023, 7, 1, 1, 2, 3, 0, ZoneId.of("Europe/Berlin"))); put("zoned-offset", ZonedDateTime.of(2023, 7, 1, 1, 2, 3, 0, ZoneOffset.ofHours(2)));
    put("offset-date-time", OffsetDateTime.of(2023, 7, 1, 1, 2, 3, 4000, ZoneOffset.ofHoursMinutesSeconds(1, 2, 3))); put("offset-time", OffsetTime.of(1, 2, 3, 0, ZoneOffset.ofHours(-3)));
    put("zone", ZoneId.of("Europe/Berlin")); put("zone-offset", ZoneOffset.UTC); put("year", Year.of(2023)); put("year-month", YearMonth.of(2023, 7)); put("month-day", MonthDay.of(7, 1)); put("period", Period.of(1, 2, 3));
    put("big-integer", new BigInteger("-123456789012345678901234567890")); put("big-integer-small", BigInteger.valueOf(-42)); put("big-integer-zero", BigInteger.ZERO);
    put("big-decimal", new BigDecimal("-12345678901234567890.05")); put("big-decimal-small", new BigDecimal("0.005"));

    Sub sub = new Sub(); sub.self = sub; put("object", sub); put("custom", new Custom()); put("externalizable", new Ext());
    put("proxy", java.lang.reflect.Proxy.newProxyInstance(Objects.class.getClassLoader(), new Class<?>[] { Greets.class }, new Handler()));
    List<Object> shared = new ArrayList<>(List.of("a")); put("shared", new ArrayList<>(List.of(shared, shared)));
    List<Object> itself = new ArrayList<>(); itself.add(itself); put("inside-itself", itself);

    Object lol = "lol"; for (int i = 0; i < 20; i++) lol = new Object[] {lol, lol, lol, lol, lol, lol, lol, lol, lol, lol}; put("hostile-laughs", lol);
    String big = "x".repeat(4000); put("hostile-repeats", Collections.nCopies(200, big).toArray());
    Object deep = "x"; for (int i = 0; i < 65; i++) deep = new Object[] {deep}; put("hostile-depth", deep);
    ByteArrayOutputStream b = new ByteArrayOutputStream(); ObjectOutputStream o = new ObjectOutputStream(b);
    o.reset(); o.writeObject("x"); o.flush(); line("hostile-reset", b.toByteArray());
    b = new ByteArrayOutputStream(); o = new ObjectOutputStream(b);
    try { o.writeObject(new ArrayList<>(List.of(new Bad()))); } catch (IOException e) { }
    o.flush(); line("hostile-exception", b.toByteArray());
    b = new ByteArrayOutputStream(); o = new ObjectOutputStream(b); o.useProtocolVersion(ObjectStreamConstants.PROTOCOL_VERSION_1);
    o.writeObject(new Ext()); o.flush(); line("hostile-externalizable-1", b.toByteArray());
    b = new ByteArrayOutputStream(); o = new ObjectOutputStream(b); o.writeInt(5); o.flush(); line("hostile-block-data", b.toByteArray());
    // The set of sets that takes hashCode 2^100 steps (SerialDOS).
    Set<Object> root = new HashSet<>(), s1 = root, s2 = new HashSet<>();
    for (int i = 0; i < 60; i++) { Set<Object> t1 = new HashSet<>(), t2 = new HashSet<>(); t1.add("foo"); if (i < 8) { s1.add(t1); s1.add(t2); s2.add(t1); s2.add(t2); } s1 = t1; s2 = t2; }
    put("hostile-serial-dos", root);
  }
}
