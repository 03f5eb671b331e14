<?php
$name = $argv[1] ?? 'world';
printf("Hello, %s! This is PHP %s, user %d, memory limit %s.\n", $name, PHP_VERSION, fileowner('/proc/self'), ini_get('memory_limit'));
