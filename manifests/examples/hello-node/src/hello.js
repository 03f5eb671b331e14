const name = process.argv[2] ?? "world";
console.log(`Hello, ${name}! This is Node.js ${process.version}, user ${process.getuid()}.`);
